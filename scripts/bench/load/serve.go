package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
)

const answer = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" +
	`{"id":"bench","choices":[]}`

// sseGap parts the first event from the second: a proxy that buffers shows it as its time to first byte.
const sseGap = 60 * time.Millisecond

type peer struct {
	head    []byte
	skip    int // body bytes still to come
	inBlock bool
}

// serve answers HTTP/1.1 from one epoll thread, and plays the far end of tunnels on a second port. An event stream
// gets a goroutine of its own.
func serve(args []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	httpAddr := flags.String("http", "127.0.0.1:0", "HTTP address")
	rawAddr := flags.String("raw", "127.0.0.1:0", "tunnel address")
	flags.Parse(args)

	raw, err := net.Listen("tcp4", *rawAddr)
	if err != nil {
		fail(err.Error())
	}
	go tunnelEnd(raw)

	tcp, err := net.ResolveTCPAddr("tcp4", *httpAddr)
	if err != nil {
		fail(err.Error())
	}
	listener := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0))
	syscall.SetsockoptInt(listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	at := &syscall.SockaddrInet4{Port: tcp.Port}
	copy(at.Addr[:], tcp.IP.To4())
	if err := syscall.Bind(listener, at); err != nil {
		fail("bind: " + err.Error())
	}
	if err := syscall.Listen(listener, 4096); err != nil {
		fail("listen: " + err.Error())
	}
	bound, err := syscall.Getsockname(listener)
	if err != nil {
		fail(err.Error())
	}
	say(map[string]string{
		"http": fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port),
		"raw":  raw.Addr().String(),
	})

	epoll := must(syscall.EpollCreate1(0))
	watch(epoll, listener)
	peers := map[int32]*peer{}
	events := make([]syscall.EpollEvent, 512)
	buffer := make([]byte, 64<<10)
	for {
		n, err := syscall.EpollWait(epoll, events, -1)
		if err != nil && err != syscall.EINTR {
			fail("epoll: " + err.Error())
		}
		for i := 0; i < n; i++ {
			fd := events[i].Fd
			if int(fd) == listener {
				for {
					conn, _, err := syscall.Accept4(listener, syscall.SOCK_CLOEXEC)
					if err != nil {
						break
					}
					syscall.SetsockoptInt(conn, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
					peers[int32(conn)] = &peer{}
					watch(epoll, conn)
				}
				continue
			}
			got, err := syscall.Read(int(fd), buffer)
			if err != nil || got <= 0 {
				syscall.Close(int(fd))
				delete(peers, fd)
				continue
			}
			if peers[fd].take(int(fd), buffer[:got]) {
				syscall.EpollCtl(epoll, syscall.EPOLL_CTL_DEL, int(fd), nil)
				delete(peers, fd)
				go stream(int(fd))
			}
		}
	}
}

// take consumes bytes of requests and answers each that is complete; true hands the socket to an event stream.
func (p *peer) take(fd int, chunk []byte) bool {
	for len(chunk) > 0 {
		if p.inBlock {
			n := min(p.skip, len(chunk))
			p.skip -= n
			chunk = chunk[n:]
			if p.skip > 0 {
				return false
			}
			p.inBlock = false
			syscall.Write(fd, []byte(answer))
			continue
		}
		p.head = append(p.head, chunk...)
		end := bytes.Index(p.head, []byte("\r\n\r\n"))
		if end < 0 {
			return false
		}
		head := string(p.head[:end+2])
		chunk = bytes.Clone(p.head[end+4:])
		p.head = p.head[:0]
		if strings.Contains(head[:strings.IndexByte(head, '\r')], "/sse") {
			return true
		}
		p.skip = 0
		if at := strings.Index(strings.ToLower(head), "\r\ncontent-length:"); at >= 0 {
			fmt.Sscanf(strings.TrimSpace(head[at+17:]), "%d", &p.skip)
		}
		if p.skip == 0 {
			syscall.Write(fd, []byte(answer))
		} else {
			p.inBlock = true
		}
	}
	return false
}

func stream(fd int) {
	defer syscall.Close(fd)
	syscall.Write(fd, []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"+
		"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nd\r\ndata: first\n\n\r\n"))
	time.Sleep(sseGap)
	syscall.Write(fd, []byte("e\r\ndata: second\n\n\r\n0\r\n\r\n"))
}

// tunnelEnd plays a TLS server as far as a passive relay can tell: it takes one ClientHello record, answers with
// record-shaped bytes, then obeys the first byte after it: 'D' sends until the connection ends, 'I' stays silent.
func tunnelEnd(listener net.Listener) {
	block := bytes.Repeat([]byte{0x17}, 256<<10)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if !takeRecord(conn) {
				return
			}
			conn.Write(serverRecord)
			order := []byte{0}
			if _, err := conn.Read(order); err != nil {
				return
			}
			switch order[0] {
			case 'D':
				for {
					if _, err := conn.Write(block); err != nil {
						return
					}
				}
			case 'U':
				drain(conn)
			default:
				conn.Read(order)
			}
		}()
	}
}
