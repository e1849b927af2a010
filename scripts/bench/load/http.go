package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// One client connection with at most one request on it.
type client struct {
	fd   int
	due  int64 // monotonic ns at which the request on it was meant to leave; -1 when idle
	got  []byte
	need int  // bytes of the whole answer once its head is known, else 0
	last bool // the answer on it says or turned out to be the last of the connection
}

type loadResult struct {
	Requests  int     `json:"requests"`
	Errors    int     `json:"errors"`
	Redials   int     `json:"redials"` // connections the proxy closed after a whole answer
	Seconds   float64 `json:"seconds"`
	P50us     float64 `json:"p50_us"`
	P99us     float64 `json:"p99_us"`
	MaxUs     float64 `json:"max_us"`
	FirstFail string  `json:"first_fail,omitempty"`
}

// load sends POSTs over keep-alive connections. Closed loop: each connection sends again when answered. Open loop
// (-rate): a timer decides when each request is due and latency counts from that moment, so a stalled proxy cannot
// hide its queue by slowing the generator down.
func load(args []string) {
	flags := flag.NewFlagSet("http", flag.ExitOnError)
	connect := flags.String("connect", "", "address to dial (the proxy, or the upstream itself)")
	target := flags.String("target", "/v1/x", "request target: absolute-form for a proxy")
	host := flags.String("host", "", "Host field")
	conns := flags.Int("conns", 32, "connections")
	size := flags.Int("size", 150, "body bytes")
	fresh := flags.Bool("fresh", false, "a new connection for each request")
	rate := flags.Int("rate", 0, "requests a second; 0 = closed loop")
	warm := flags.Duration("warm", 0, "run this long before counting")
	span := flags.Duration("for", 2*time.Second, "counted time")
	flags.Parse(args)
	if *conns > 4096 || *span > time.Minute || *rate > 50000 {
		fail("refusing more than 4096 connections, one minute or 50,000 requests a second")
	}
	debug.SetGCPercent(-1)

	// A prompt: what reads bodies costs by what is in them.
	body := bytes.Repeat([]byte("Please list the three largest risks for the next year. "), *size/55+1)[:*size]
	copy(body, `{"model":"bench","messages":[{"role":"user","content":"`)
	copy(body[max(0, *size-4):], `"}]}`)
	last := ""
	if *fresh {
		last = "Connection: close\r\n"
	}
	request := []byte(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n%s"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", *target, *host, last, *size, body))

	epoll := must(syscall.EpollCreate1(0))
	clients := make(map[int32]*client, *conns)
	idle := make([]*client, 0, *conns)
	for range *conns {
		fd := dial(*connect)
		c := &client{fd: fd, due: -1, got: make([]byte, 0, 4096)}
		clients[int32(fd)] = c
		idle = append(idle, c)
		watch(epoll, fd)
	}
	timer := -1
	if *rate > 0 {
		timer = ticker(time.Second / time.Duration(*rate))
		watch(epoll, timer)
	}

	var result loadResult
	latencies := make([]int64, 0, 1<<20)
	begin := nanotime()
	counted := begin + int64(*warm)
	end := counted + int64(*span)
	waiting := []int64{} // due times that found no idle connection
	redial := func(c *client) {
		result.Redials++
		syscall.Close(c.fd)
		delete(clients, int32(c.fd))
		c.fd, c.last = dial(*connect), false
		clients[int32(c.fd)] = c
		watch(epoll, c.fd)
	}
	send := func(c *client, due int64) {
		if c.last {
			redial(c)
		}
		c.due, c.got, c.need = due, c.got[:0], 0
		for rest := request; len(rest) > 0; {
			n, err := syscall.Write(c.fd, rest)
			if err != nil {
				result.Errors++
				if result.FirstFail == "" {
					result.FirstFail = "write: " + err.Error()
				}
				return
			}
			rest = rest[n:]
		}
	}
	if *rate == 0 {
		for _, c := range idle {
			send(c, nanotime())
		}
		idle = nil
	}

	events := make([]syscall.EpollEvent, 512)
	buffer := make([]byte, 64<<10)
	for now := begin; now < end; now = nanotime() {
		n, err := syscall.EpollWait(epoll, events, 20)
		if err != nil && err != syscall.EINTR {
			fail("epoll: " + err.Error())
		}
		for i := 0; i < n; i++ {
			if int(events[i].Fd) == timer {
				var ticks uint64
				syscall.Read(timer, (*[8]byte)(unsafe.Pointer(&ticks))[:])
				due := nanotime()
				for range ticks {
					if len(idle) > 0 {
						c := idle[0]
						idle = idle[1:]
						send(c, due)
					} else {
						waiting = append(waiting, due)
					}
				}
				continue
			}
			c := clients[events[i].Fd]
			got, err := syscall.Read(c.fd, buffer)
			if err != nil || got <= 0 {
				due := c.due
				if len(c.got) > 0 && due >= 0 {
					result.Errors++
					if result.FirstFail == "" {
						result.FirstFail = fmt.Sprintf("connection closed by peer (%v) after %q", err, clip(c.got))
					}
				}
				redial(c)
				if due >= 0 {
					send(c, due)
				}
				continue
			}
			c.got = append(c.got, buffer[:got]...)
			if !whole(c) {
				continue
			}
			done := nanotime()
			if !bytes.HasPrefix(c.got, []byte("HTTP/1.1 200")) && !bytes.HasPrefix(c.got, []byte("HTTP/1.0 200")) {
				result.Errors++
				if result.FirstFail == "" {
					result.FirstFail = clip(c.got)
				}
			}
			if done >= counted && c.due >= counted {
				latencies = append(latencies, done-c.due)
			}
			c.due = -1
			switch {
			case *rate == 0:
				send(c, nanotime())
			case len(waiting) > 0:
				due := waiting[0]
				waiting = waiting[1:]
				send(c, due)
			default:
				idle = append(idle, c)
			}
		}
	}
	result.Requests = len(latencies)
	result.Seconds = span.Seconds()
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	if len(latencies) > 0 {
		result.P50us = float64(latencies[len(latencies)/2]) / 1000
		result.P99us = float64(latencies[len(latencies)*99/100]) / 1000
		result.MaxUs = float64(latencies[len(latencies)-1]) / 1000
	}
	say(result)
	os.Exit(0)
}

// whole reports whether the answer in c.got is complete: by Content-Length, or by the last chunk.
func whole(c *client) bool {
	if c.need == 0 {
		end := bytes.Index(c.got, []byte("\r\n\r\n"))
		if end < 0 {
			return false
		}
		head := strings.ToLower(string(c.got[:end+2]))
		c.last = strings.Contains(head, "connection: close") || strings.HasPrefix(head, "http/1.0")
		if at := strings.Index(head, "\r\ncontent-length:"); at >= 0 {
			length := 0
			fmt.Sscanf(strings.TrimSpace(head[at+17:]), "%d", &length)
			c.need = end + 4 + length
		} else {
			return bytes.HasSuffix(c.got, []byte("\r\n0\r\n\r\n"))
		}
	}
	return len(c.got) >= c.need
}

func clip(text []byte) string {
	return string(text[:min(len(text), 200)])
}

func dial(address string) int {
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		fail(err.Error())
	}
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))
	to := &syscall.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	for attempt := 0; ; attempt++ {
		err = syscall.Connect(fd, to)
		if err == nil {
			break
		}
		if attempt == 50 {
			fail("connect " + address + ": " + err.Error())
		}
		time.Sleep(20 * time.Millisecond)
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd
}

func watch(epoll, fd int) {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		fail("epoll_ctl: " + err.Error())
	}
}

// ticker is a timerfd: the kernel's own clock, without the slack of a sleeping thread.
func ticker(every time.Duration) int {
	const clockMonotonic = 1
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, 0, 0)
	if errno != 0 {
		fail("timerfd_create: " + errno.Error())
	}
	spec := [4]int64{0, int64(every), 0, int64(every)}
	if _, _, errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); errno != 0 {
		fail("timerfd_settime: " + errno.Error())
	}
	return int(fd)
}

var started = time.Now()

func nanotime() int64 { return int64(time.Since(started)) }

func must(n int, err error) int {
	if err != nil {
		fail(err.Error())
	}
	return n
}
