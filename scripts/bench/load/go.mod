module sallyport/bench/load

go 1.22
