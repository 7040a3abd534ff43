//go:debug x509usefallbackroots=1

package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"trade-monitor/shared/config"
)

// The image holds no certificate authorities, so the program brings the public
// ones along (Mozilla's, from golang.org/x/crypto/x509roots). They are used
// where the machine has none of its own, and beside those that SSL_CERT_FILE or
// SSL_CERT_DIR name: by itself Go would then trust the named ones only, and
// whoever adds the authority of a company's proxy would lose WeCom.
//
// The go:debug line above lets the joined set take the place of the system's.

// The names by which Go is told of other authorities.
var rootNames = []string{"SSL_CERT_FILE", "SSL_CERT_DIR"}

// trustRoots settles which authorities this process believes. It must run
// before the first TLS connection, and once. An error says that a named file
// adds nothing; the public roots are in force all the same.
func trustRoots(lookup config.Lookup) error {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return nil // the system verifies, and these names mean nothing there
	}
	named := ""
	for _, name := range rootNames {
		if value, _ := lookup(name); value != "" {
			named = name
		}
	}
	pool, err := x509.SystemCertPool()
	if err == nil && named == "" && !pool.Equal(x509.NewCertPool()) {
		return nil // the machine's own
	}
	if err != nil {
		pool = x509.NewCertPool()
	}
	if file, _ := lookup("SSL_CERT_FILE"); file != "" && err == nil {
		err = holdsRoot(file)
	}
	addPublicRoots(pool)
	x509.SetFallbackRoots(pool)
	if named != "" && err != nil {
		return fmt.Errorf("%s 没有生效，只信任内置的公共根证书 (has no effect; only the embedded public roots are trusted): %w", named, err)
	}
	return nil
}

// holdsRoot tells whether a file adds a certificate. Go itself passes over one
// that does not without a word.
func holdsRoot(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s 中没有 PEM 证书 (no PEM certificate in it)", file)
}

// addPublicRoots adds the embedded roots with their constraints and tells how
// many they are.
func addPublicRoots(pool *x509.CertPool) (count int) {
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // one that this version of Go cannot read is not trusted
		}
		count++
		if root.Constraint != nil {
			pool.AddCertWithConstraint(certificate, root.Constraint)
		} else {
			pool.AddCert(certificate)
		}
	}
	return count
}

// rootsModule carries the date of the bundle in its version:
// v0.0.0-20060102150405-commit.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

// publicRoots tells how many roots are embedded and of which day they are; a
// zero time when the build does not say.
func publicRoots() (count int, of time.Time) {
	count = addPublicRoots(x509.NewCertPool())
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return count, of
	}
	for _, module := range info.Deps {
		parts := strings.Split(module.Version, "-")
		if module.Path == rootsModule && len(parts) > 1 {
			of, _ = time.Parse("20060102150405", parts[1])
		}
	}
	return count, of
}
