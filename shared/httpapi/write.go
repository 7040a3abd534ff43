package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// encoder is a buffer with an encoder on it, used again and again.
type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(&e.buf)
	// The answer is application/json with nosniff: people read it in a shell.
	e.enc.SetEscapeHTML(false)
	return e
}}

// keptBuffer is the largest buffer worth keeping between answers.
const keptBuffer = 64 << 10

var jsonType = []string{"application/json; charset=utf-8"}

// Write answers with v as JSON. Nothing is written when v cannot be encoded.
func Write(w http.ResponseWriter, status int, v any) error {
	e := encoders.Get().(*encoder)
	defer func() {
		if e.buf.Cap() <= keptBuffer {
			e.buf.Reset()
			encoders.Put(e)
		}
	}()
	if err := e.enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(e.buf.Len())}
	w.WriteHeader(status)
	// The connection may be gone; the answer was ready and the work is done.
	_, _ = w.Write(e.buf.Bytes())
	return nil
}

// data is the guide's shape of an answer with something in it.
type data struct {
	Success bool `json:"success"`
	Data    any  `json:"data"`
}

// WriteData answers {"success":true,"data":v}.
func WriteData(w http.ResponseWriter, v any) error {
	return Write(w, http.StatusOK, data{Success: true, Data: v})
}
