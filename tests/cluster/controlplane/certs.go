package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs; leaf certificates are written beside their keys as NAME.crt and NAME.key.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func writeCertificates(folder string) error {
	cluster, err := newAuthority(folder, "ca")
	if err != nil {
		return err
	}
	proxy, err := newAuthority(folder, "front-proxy-ca")
	if err != nil {
		return err
	}
	for _, leaf := range []struct {
		signer            authority
		name, user, group string
	}{
		{cluster, "apiserver", "kube-apiserver", ""},
		{cluster, "admin", "kubernetes-admin", "system:masters"},
		{cluster, "controller-manager", "system:kube-controller-manager", ""},
		{cluster, "scheduler", "system:kube-scheduler", ""},
		{proxy, "front-proxy", "front-proxy", ""},
	} {
		if err := leaf.signer.issue(leaf.name, leaf.user, leaf.group); err != nil {
			return err
		}
	}
	key, err := newKey(folder, "service-account")
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return write(folder, "service-account.pub", "PUBLIC KEY", public)
}

func newAuthority(folder, name string) (authority, error) {
	key, err := newKey(folder, name)
	if err != nil {
		return authority{}, err
	}
	template := certificate(name, "")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	return authority{folder, parsed, key}, write(folder, name+".crt", "CERTIFICATE", der)
}

func (a authority) issue(name, user, group string) error {
	key, err := newKey(a.folder, name)
	if err != nil {
		return err
	}
	template := certificate(user, group)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	template.DNSNames = []string{"localhost", "kubernetes.default.svc"}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	return write(a.folder, name+".crt", "CERTIFICATE", der)
}

func certificate(user, group string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		fail(err)
	}
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func newKey(folder, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, write(folder, name+".key", "PRIVATE KEY", der)
}

func write(folder, name, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return os.WriteFile(filepath.Join(folder, name), text, 0o600)
}
