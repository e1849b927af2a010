// Both roles of Go's net/http over HTTP/2 without TLS. `client URL` prints ok; `server` prints its address.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
)

func main() {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	if os.Args[1] == "server" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		fmt.Println(listener.Addr())
		server := http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Done")
			w.Header().Set("X-Proto", r.Proto)
			w.WriteHeader(200)
			_, err := io.Copy(w, r.Body)
			check(err)
			w.Header().Set("X-Done", r.Header.Get("X-Id"))
		})}
		go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
		check(server.Serve(listener))
	}
	client := http.Client{Transport: &http.Transport{Protocols: &protocols}}
	var all sync.WaitGroup
	for i := 0; i < 200; i++ {
		all.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 1+i*i*7)
			request, err := http.NewRequest("POST", os.Args[2]+"/echo", bytes.NewReader(body))
			check(err)
			request.Header.Set("TE", "trailers")
			request.Header.Set("X-Id", fmt.Sprint(i))
			request.Header.Set("Authorization", "Bearer none")
			response, err := client.Do(request)
			check(err)
			back, err := io.ReadAll(response.Body)
			check(err)
			if response.Proto != "HTTP/2.0" || !bytes.Equal(back, body) || response.Trailer.Get("X-Done") != "1" {
				panic(fmt.Sprint(i, response.Proto, len(back), len(body), response.Trailer))
			}
		})
	}
	all.Wait()
	fmt.Println("ok")
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
