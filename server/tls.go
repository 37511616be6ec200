package server

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// KeyPair is a certificate and its key in files that may be replaced while they
// are in use. It may be used concurrently.
type KeyPair struct {
	cert, key string
	current   atomic.Pointer[tls.Certificate]
}

// OpenKeyPair reads a certificate, followed by those that lead to its root, and
// its key, both PEM.
func OpenKeyPair(cert, key string) (*KeyPair, error) {
	p := &KeyPair{cert: cert, key: key}
	if err := p.Reload(); err != nil {
		return nil, err
	}
	return p, nil
}

// Paths returns the files.
func (p *KeyPair) Paths() []string { return []string{p.cert, p.key} }

// Reload reads the files again; after an error the old pair stays.
func (p *KeyPair) Reload() error {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", p.cert, p.key, err)
	}
	p.current.Store(&pair)
	return nil
}

// Config returns a configuration for TLS 1.3 that shows the newest certificate.
func (p *KeyPair) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load(), nil },
	}
}

// Metrics returns when the certificate that is shown ends.
func (p *KeyPair) Metrics() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "portolan_certificate_not_after_timestamp_seconds", Help: "When the certificate ends, in Unix time.",
	}, func() float64 {
		leaf := p.current.Load().Leaf // which loading has filled
		return float64(leaf.NotAfter.Unix())
	})
}
