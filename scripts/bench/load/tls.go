package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

// tlsServe is an HTTPS upstream: a short JSON answer to every POST, events on /sse, so many bytes on /bulk/N.
func tlsServe(args []string) {
	flags := flag.NewFlagSet("tlsserve", flag.ExitOnError)
	cert := flags.String("cert", "", "PEM chain")
	key := flags.String("key", "", "PEM key")
	h2 := flags.Bool("h2", false, "offer HTTP/2 as well")
	addr := flags.String("addr", "127.0.0.1:0", "address")
	flags.Parse(args)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"bench","choices":[]}`)
	})
	mux.HandleFunc("/sse", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 2 {
			io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"}}]}\n\n")
			w.(http.Flusher).Flush()
			time.Sleep(sseGap)
		}
		io.WriteString(w, "data: [DONE]\n\n")
	})
	mux.HandleFunc("/bulk/", func(w http.ResponseWriter, r *http.Request) {
		left, _ := strconv.Atoi(r.URL.Path[len("/bulk/"):])
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(left))
		piece := make([]byte, 256<<10)
		for i := range piece {
			piece[i] = byte(i * 7)
		}
		for left > 0 {
			n, err := w.Write(piece[:min(left, len(piece))])
			if err != nil {
				return
			}
			left -= n
		}
	})
	listener, err := net.Listen("tcp4", *addr)
	if err != nil {
		fail(err.Error())
	}
	say(map[string]string{"https": listener.Addr().String()})
	server := &http.Server{Handler: mux}
	if !*h2 {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		server.TLSConfig = &tls.Config{NextProtos: []string{"http/1.1"}}
	}
	fail(server.ServeTLS(listener, *cert, *key).Error())
}

type httpsFlags struct {
	proxy, target, name, path string
	roots                     *x509.CertPool
}

func httpsOptions(flags *flag.FlagSet, args []string) httpsFlags {
	proxy := flags.String("proxy", "", "proxy to CONNECT through; empty: straight")
	target := flags.String("target", "", "host:port of the upstream")
	name := flags.String("name", "localhost", "server name")
	path := flags.String("path", "/v1/x", "request target")
	ca := flags.String("ca", "", "PEM roots")
	flags.Parse(args)
	pem, err := os.ReadFile(*ca)
	if err != nil {
		fail(err.Error())
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return httpsFlags{*proxy, *target, *name, *path, roots}
}

type secured struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (o httpsFlags) open() (*secured, error) {
	_, port, _ := net.SplitHostPort(o.target)
	at := o.target
	if o.proxy != "" {
		at = o.proxy
	}
	conn, err := net.DialTimeout("tcp4", at, 20*time.Second)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if o.proxy != "" {
		fmt.Fprintf(conn, "CONNECT %s:%s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", o.name, port, o.name, port)
		answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "CONNECT"})
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != 200 {
			return nil, fmt.Errorf("CONNECT answered %d", answer.StatusCode)
		}
	}
	client := tls.Client(conn, &tls.Config{ServerName: o.name, RootCAs: o.roots, NextProtos: []string{"http/1.1"}})
	if err := client.Handshake(); err != nil {
		return nil, err
	}
	return &secured{client, bufio.NewReaderSize(client, 32<<10)}, nil
}

func (o httpsFlags) request(method string, body []byte) []byte {
	_, port, _ := net.SplitHostPort(o.target)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: bench\r\nAccept: */*\r\n", method, o.path, o.name, port)
	if body != nil {
		fmt.Fprintf(&out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	out.WriteString("\r\n")
	out.Write(body)
	return out.Bytes()
}

func prompt(size int) []byte {
	body := bytes.Repeat([]byte("Please list the three largest risks for the next year. "), size/55+1)[:size]
	copy(body, `{"model":"bench","messages":[{"role":"user","content":"`)
	copy(body[max(0, size-4):], `"}]}`)
	return body
}

// https posts over intercepted TLS in a closed loop; with -fresh every request has a connection of its own.
func https(args []string) {
	flags := flag.NewFlagSet("https", flag.ExitOnError)
	conns := flags.Int("conns", 32, "connections")
	size := flags.Int("size", 150, "body bytes")
	fresh := flags.Bool("fresh", false, "a new connection for every request")
	span := flags.Duration("for", 2*time.Second, "time")
	options := httpsOptions(flags, args)
	request := options.request("POST", prompt(*size))
	end := time.Now().Add(*span)
	var lock sync.Mutex
	var result loadResult
	var all []float64
	var group sync.WaitGroup
	for range *conns {
		group.Add(1)
		go func() {
			defer group.Done()
			var mine []float64
			var failed string
			errors := 0
			var link *secured
			for time.Now().Before(end) {
				begin := time.Now()
				var err error
				if link == nil {
					link, err = options.open()
				}
				if err == nil {
					link.conn.SetDeadline(time.Now().Add(30 * time.Second))
					_, err = link.conn.Write(request)
				}
				if err == nil {
					var answer *http.Response
					answer, err = http.ReadResponse(link.reader, nil)
					if err == nil {
						_, err = io.Copy(io.Discard, answer.Body)
						if answer.StatusCode != 200 {
							err = fmt.Errorf("answered %d", answer.StatusCode)
						}
					}
				}
				if err != nil {
					errors++
					failed = err.Error()
				} else {
					mine = append(mine, float64(time.Since(begin).Microseconds()))
				}
				if link != nil && (*fresh || err != nil) {
					link.conn.Close()
					link = nil
				}
			}
			lock.Lock()
			all = append(all, mine...)
			result.Errors += errors
			if failed != "" {
				result.FirstFail = failed
			}
			lock.Unlock()
		}()
	}
	group.Wait()
	sort.Float64s(all)
	result.Requests = len(all)
	result.Seconds = span.Seconds()
	if len(all) > 0 {
		result.P50us = all[len(all)/2]
		result.P99us = all[len(all)*99/100]
		result.MaxUs = all[len(all)-1]
	}
	say(result)
}

// httpsSse measures from the request to its first event, one stream after the other on one connection.
func httpsSse(args []string) {
	flags := flag.NewFlagSet("httpssse", flag.ExitOnError)
	count := flags.Int("n", 20, "streams")
	options := httpsOptions(flags, args)
	request := options.request("POST", prompt(150))
	link, err := options.open()
	if err != nil {
		fail(err.Error())
	}
	var times []float64
	buffered := 0
	for range *count {
		link.conn.SetDeadline(time.Now().Add(10 * time.Second))
		begin := time.Now()
		link.conn.Write(request)
		answer, err := http.ReadResponse(link.reader, nil)
		if err != nil {
			fail(err.Error())
		}
		one := make([]byte, 1)
		if _, err := io.ReadFull(answer.Body, one); err != nil {
			fail(err.Error())
		}
		took := time.Since(begin)
		times = append(times, float64(took.Microseconds()))
		if took > sseGap {
			buffered++
		}
		io.Copy(io.Discard, answer.Body)
	}
	sort.Float64s(times)
	say(map[string]float64{"p50_us": times[len(times)/2], "p99_us": times[len(times)*99/100], "buffered": float64(buffered), "streams": float64(*count)})
}

// httpsBulk downloads so many bytes and says how long that took.
func httpsBulk(args []string) {
	flags := flag.NewFlagSet("httpsbulk", flag.ExitOnError)
	options := httpsOptions(flags, args)
	link, err := options.open()
	if err != nil {
		fail(err.Error())
	}
	link.conn.SetDeadline(time.Now().Add(5 * time.Minute))
	begin := time.Now()
	link.conn.Write(options.request("GET", nil))
	answer, err := http.ReadResponse(link.reader, nil)
	if err != nil {
		fail(err.Error())
	}
	bytes, err := io.Copy(io.Discard, answer.Body)
	if err != nil {
		fail(err.Error())
	}
	say(map[string]float64{"bytes": float64(bytes), "seconds": time.Since(begin).Seconds()})
}
