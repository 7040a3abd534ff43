package alerting

import (
	"bytes"
	"encoding/json"
)

// Field is one entry of an event's metadata.
type Field struct {
	Key   string
	Value string
}

// MetadataFields lists the metadata in the order in which it was written, each
// value as text. What is not an object gives nothing.
func MetadataFields(metadata json.RawMessage) []Field {
	dec := json.NewDecoder(bytes.NewReader(metadata))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var fields []Field
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fields
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fields
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		name, _ := key.(string)
		fields = append(fields, Field{Key: plain(name), Value: plain(text)})
	}
	return fields
}
