// Go's net/http, direct or behind the proxy of the environment: clients h1|h2, a job as JSON on standard input:
// {proxy, base, ca, requests}. Prints a JSON line for every request.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"sort"
)

type request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	File    string            `json:"file"`
}

type answer struct {
	Status   int         `json:"status,omitempty"`
	Version  string      `json:"version,omitempty"`
	Headers  [][2]string `json:"headers,omitempty"`
	Trailers http.Header `json:"trailers,omitempty"`
	Bytes    int         `json:"bytes"`
	Sha256   string      `json:"sha256,omitempty"`
	Text     string      `json:"text,omitempty"`
	Error    string      `json:"error,omitempty"`
}

// ProxyFromEnvironment never proxies loopback, which is where the tests' upstream is: it is asked about another host.
func fromEnvironment(*http.Request) (*url.URL, error) {
	return http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "upstream.test"}})
}

func main() {
	var job struct {
		Base     string    `json:"base"`
		CA       string    `json:"ca"`
		Requests []request `json:"requests"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		panic(err)
	}
	pem, err := os.ReadFile(job.CA)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		Proxy:             fromEnvironment,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: os.Args[1] == "h2",
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	out := json.NewEncoder(os.Stdout)
	for _, r := range job.Requests {
		if err := out.Encode(send(client, job.Base, r)); err != nil {
			panic(err)
		}
	}
}

func send(client *http.Client, base string, r request) answer {
	var body io.Reader
	if r.File != "" {
		bytesOf, err := os.ReadFile(r.File)
		if err != nil {
			panic(err)
		}
		body = bytes.NewReader(bytesOf)
	}
	sent, err := http.NewRequest(r.Method, base+r.Path, body)
	if err != nil {
		panic(err)
	}
	for name, value := range r.Headers {
		sent.Header.Set(name, value)
	}
	got, err := client.Do(sent)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer got.Body.Close()
	read, err := io.ReadAll(got.Body)
	if err != nil {
		return answer{Error: err.Error()}
	}
	sum := sha256.Sum256(read)
	said := answer{
		Status: got.StatusCode, Version: got.Proto, Trailers: got.Trailer, Bytes: len(read), Sha256: hex.EncodeToString(sum[:]),
	}
	if len(read) < 8192 {
		said.Text = string(read)
	}
	for name, values := range got.Header {
		for _, value := range values {
			said.Headers = append(said.Headers, [2]string{name, value})
		}
	}
	// A map has no order; what is compared is what was said.
	sort.SliceStable(said.Headers, func(i, j int) bool { return said.Headers[i][0] < said.Headers[j][0] })
	return said
}
