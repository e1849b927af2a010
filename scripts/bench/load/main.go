// Command load is the other end of scripts/bench: a load generator and an upstream that cost less CPU than the
// proxies they measure. Linux only: the closed and open loops are one epoll thread over blocking sockets.
//
//	load serve   -http ADDR -raw ADDR          upstream: HTTP/1.1 on one port, tunnel peer on the other
//	load http    -connect ADDR -target URL …   closed loop (-rate 0) or open loop (-rate N) of POSTs
//	load sse     -connect ADDR -target URL …   time to the first event, one stream after the other
//	load bulk    -proxy ADDR -target H:P …     bytes through tunnels for a fixed time
//	load tunnels -proxy ADDR -target H:P -n N  opens N tunnels, says so, holds them until stdin ends
//	load tlsserve -cert F -key F [-h2]         upstream: HTTPS
//	load https   -proxy ADDR -target H:P -ca F closed loop of POSTs inside TLS through CONNECT; -fresh: a connection each
//	load httpssse, httpsbulk                   the same for the time to the first event, and for a download
//
// Every command prints one JSON object on one line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: load serve|http|sse|bulk|tunnels [flags]")
	}
	run, known := map[string]func([]string){
		"serve": serve, "http": load, "sse": sse, "bulk": bulk, "tunnels": tunnels,
		"tlsserve": tlsServe, "https": https, "httpssse": httpsSse, "httpsbulk": httpsBulk,
	}[os.Args[1]]
	if !known {
		fail("unknown command " + os.Args[1])
	}
	run(os.Args[2:])
}

func say(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		fail(err.Error())
	}
	fmt.Println(string(text))
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "load: "+why)
	os.Exit(2)
}
