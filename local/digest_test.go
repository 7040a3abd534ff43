package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"hash"
)

// rowDigest tells whether any byte of many rows has changed.
type rowDigest struct {
	sum  hash.Hash
	rows int
}

func newDigest() *rowDigest { return &rowDigest{sum: sha256.New()} }

func (d *rowDigest) add(fields []any) {
	d.rows++
	for _, f := range fields {
		fmt.Fprintf(d.sum, "%q|", []byte(*f.(*sql.RawBytes)))
	}
}

func (d *rowDigest) String() string {
	return fmt.Sprintf("%d/%s", d.rows, hex.EncodeToString(d.sum.Sum(nil)))
}
