package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A handshake record with no meaning: relays that watch for TLS see a server answering, and nobody pays for ciphers.
var serverRecord = []byte{0x16, 3, 3, 0, 4, 14, 0, 0, 0}

// hello is a real ClientHello record, as crypto/tls writes it for an address: without SNI. Nothing is ever verified
// because no handshake gets further.
func hello() []byte {
	near, far := net.Pipe()
	go tls.Client(far, &tls.Config{InsecureSkipVerify: true}).Handshake()
	head := make([]byte, 5)
	io.ReadFull(near, head)
	record := make([]byte, int(binary.BigEndian.Uint16(head[3:])))
	io.ReadFull(near, record)
	near.Close()
	return append(head, record...)
}

func takeRecord(conn net.Conn) bool {
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err != nil {
		return false
	}
	_, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(head[3:])))
	return err == nil
}

// open dials through a proxy by CONNECT (or, without -proxy semantics, straight) and goes as far as the server's
// first record; order says what the far end does next.
func open(address, target string, plain bool, greeting []byte, order byte) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp4", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if !plain {
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
		status, err := readHead(conn)
		if err != nil || !strings.Contains(status, " 200") {
			conn.Close()
			return nil, fmt.Errorf("CONNECT answered %q (%v)", status, err)
		}
	}
	conn.Write(greeting)
	record := make([]byte, len(serverRecord))
	if _, err := io.ReadFull(conn, record); err != nil {
		conn.Close()
		return nil, fmt.Errorf("no server record through the tunnel: %v", err)
	}
	conn.Write([]byte{order})
	conn.SetDeadline(time.Time{})
	return conn, nil
}

// readHead reads byte by byte: not one byte of the tunnel may be swallowed with the head.
func readHead(conn net.Conn) (string, error) {
	var head []byte
	one := []byte{0}
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		if _, err := conn.Read(one); err != nil {
			return "", err
		}
		head = append(head, one[0])
		if len(head) > 16<<10 {
			return "", fmt.Errorf("head too long")
		}
	}
	return strings.SplitN(string(head), "\r\n", 2)[0], nil
}

func drain(conn net.Conn) int64 {
	buffer := make([]byte, 256<<10)
	var total int64
	for {
		n, err := conn.Read(buffer)
		total += int64(n)
		if err != nil {
			return total
		}
	}
}

// bulk counts bytes through tunnels for a fixed time. down: the upstream sends; else this side does.
func bulk(args []string) {
	flags := flag.NewFlagSet("bulk", flag.ExitOnError)
	proxy := flags.String("proxy", "", "proxy address (or TCP forwarder with -plain)")
	target := flags.String("target", "", "CONNECT target")
	plain := flags.Bool("plain", false, "no CONNECT: the address forwards by itself")
	up := flags.Bool("up", false, "send instead of receive")
	conns := flags.Int("conns", 4, "tunnels")
	span := flags.Duration("for", 2*time.Second, "counted time")
	flags.Parse(args)
	if *conns > 256 || *span > time.Minute {
		fail("refusing more than 256 tunnels or one minute")
	}
	greeting := hello()
	order := byte('D')
	if *up {
		order = 'U'
	}
	var total atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	block := make([]byte, 256<<10)
	for range *conns {
		conn, err := open(*proxy, *target, *plain, greeting, order)
		if err != nil {
			fail(err.Error())
		}
		all.Add(1)
		go func() { <-stop; conn.Close() }()
		go func() {
			defer all.Done()
			buffer := make([]byte, 256<<10)
			for {
				var n int
				var err error
				if *up {
					n, err = conn.Write(block)
				} else {
					n, err = conn.Read(buffer)
				}
				total.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	}
	time.Sleep(200 * time.Millisecond)
	before := total.Load()
	begin := time.Now()
	time.Sleep(*span)
	moved := total.Load() - before
	seconds := time.Since(begin).Seconds()
	close(stop)
	all.Wait()
	say(map[string]any{"bytes": moved, "seconds": seconds, "gb_s": float64(moved) / seconds / 1e9})
}

// tunnels opens n idle tunnels and holds them until standard input ends.
func tunnels(args []string) {
	flags := flag.NewFlagSet("tunnels", flag.ExitOnError)
	proxy := flags.String("proxy", "", "proxy address")
	target := flags.String("target", "", "CONNECT target")
	plain := flags.Bool("plain", false, "no CONNECT")
	n := flags.Int("n", 5000, "tunnels")
	flags.Parse(args)
	if *n > 8000 {
		fail("refusing more than 8000 tunnels")
	}
	greeting := hello()
	var opened, failed atomic.Int64
	var why sync.Once
	reason := ""
	held := make(chan net.Conn, *n)
	work := make(chan struct{}, *n)
	for range *n {
		work <- struct{}{}
	}
	close(work)
	begin := time.Now()
	var all sync.WaitGroup
	for range 64 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range work {
				if time.Since(begin) > 60*time.Second || failed.Load() > 20 {
					return
				}
				conn, err := open(*proxy, *target, *plain, greeting, 'I')
				if err != nil {
					failed.Add(1)
					why.Do(func() { reason = err.Error() })
					continue
				}
				opened.Add(1)
				held <- conn
			}
		}()
	}
	all.Wait()
	say(map[string]any{"opened": opened.Load(), "failed": failed.Load(), "seconds": time.Since(begin).Seconds(), "why": reason})
	io.Copy(io.Discard, os.Stdin)
}

// sse measures from the request's last byte to the first event's first byte.
func sse(args []string) {
	flags := flag.NewFlagSet("sse", flag.ExitOnError)
	connect := flags.String("connect", "", "address to dial")
	target := flags.String("target", "/sse", "request target")
	host := flags.String("host", "", "Host field")
	n := flags.Int("n", 20, "streams")
	flags.Parse(args)
	if *n > 500 {
		fail("refusing more than 500 streams")
	}
	first := []float64{}
	errors, buffered, why := 0, 0, ""
	for range *n {
		conn, err := net.DialTimeout("tcp4", *connect, 5*time.Second)
		if err != nil {
			fail(err.Error())
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		begin := time.Now()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nContent-Length: 0\r\n\r\n", *target, *host)
		reader := bufio.NewReader(conn)
		seen := false
		for {
			line, err := reader.ReadString('\n')
			if strings.HasPrefix(line, "data: first") {
				took := time.Since(begin)
				first = append(first, float64(took.Microseconds()))
				if took > sseGap*2/3 {
					buffered++
				}
				seen = true
			}
			if strings.HasPrefix(line, "data: second") || err != nil {
				if !seen || (err != nil && err != io.EOF) {
					errors++
					why = fmt.Sprint(err)
				}
				break
			}
		}
		conn.Close()
	}
	sort.Float64s(first)
	result := map[string]any{"streams": len(first), "errors": errors, "buffered": buffered, "why": why}
	if len(first) > 0 {
		result["p50_us"] = first[len(first)/2]
		result["max_us"] = first[len(first)-1]
	}
	say(result)
}
