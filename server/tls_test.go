package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/server"
)

// writePair writes a certificate for 127.0.0.1 with its key, and returns the
// pool that trusts it.
func writePair(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if made, err := x509.ParseCertificate(der); err == nil {
		pool.AddCert(made)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// TestTLS: version 1.3 and no older, with the newest certificate that is whole.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	trusted := writePair(t, dir, 1)
	pair, err := server.OpenKeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	seen := prometheus.NewPedanticRegistry()
	seen.MustRegister(pair.Metrics())
	if ends := gauge(t, "\n"+exposed(t, seen), "portolan_certificate_not_after_timestamp_seconds"); math.Abs(ends-float64(time.Now().Add(time.Hour).Unix())) > 60 {
		t.Errorf("the certificate ends at %v", ends)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = server.NewHTTPServer(newRig(t, nil).handler, nil)
	srv.TLS = pair.Config()
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	get := func(config *tls.Config) (*http.Response, error) {
		config.ServerName = "localhost"
		client := http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		resp, err := client.Get(srv.URL + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	resp, err := get(&tls.Config{RootCAs: trusted})
	if err != nil || resp.TLS.Version != tls.VersionTLS13 || resp.ProtoMajor != 2 {
		t.Fatalf("%v %+v", err, resp)
	}
	if _, err := get(&tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS12}); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pair.Reload(); err == nil || !strings.Contains(err.Error(), "key.pem") {
		t.Errorf("a broken key: %v", err)
	}
	if _, err := get(&tls.Config{RootCAs: trusted}); err != nil {
		t.Errorf("after a broken key: %v", err)
	}
	trusted = writePair(t, dir, 2)
	if err := pair.Reload(); err != nil {
		t.Fatal(err)
	}
	if resp, err = get(&tls.Config{RootCAs: trusted}); err != nil || resp.TLS.PeerCertificates[0].SerialNumber.Int64() != 2 {
		t.Errorf("after a new pair: %v %+v", err, resp)
	}
	if _, err := server.OpenKeyPair(filepath.Join(dir, "none"), filepath.Join(dir, "key.pem")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a missing file: %v", err)
	}
}
