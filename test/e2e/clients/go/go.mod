module sallyport.test/clients

go 1.22
