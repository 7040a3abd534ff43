package alerting

import "strings"

// Severity says how bad an event is, in the user guide's four words.
type Severity string

const (
	Info     Severity = "INFO"
	Warning  Severity = "WARNING"
	Error    Severity = "ERROR"
	Critical Severity = "CRITICAL"
)

// Severities lists all of them, mildest first.
var Severities = []Severity{Info, Warning, Error, Critical}

var severityWords = map[string]Severity{
	"INFO": Info, "INFORMATION": Info, "INFORMATIONAL": Info, "NOTICE": Info, "DEBUG": Info, "OK": Info, "LOW": Info, "信息": Info,
	"WARNING": Warning, "WARN": Warning, "MINOR": Warning, "MEDIUM": Warning, "警告": Warning,
	"ERROR": Error, "ERR": Error, "MAJOR": Error, "HIGH": Error, "SEVERE": Error, "错误": Error,
	"CRITICAL": Critical, "CRIT": Critical, "FATAL": Critical, "ALERT": Critical, "EMERGENCY": Critical, "EMERG": Critical, "PANIC": Critical, "P0": Critical, "严重": Critical,
}

// ParseSeverity reads a severity in any case, with the synonyms that loggers
// use. The second result is false when the word is not known.
func ParseSeverity(word string) (Severity, bool) {
	s, ok := severityWords[strings.ToUpper(strings.TrimSpace(word))]
	return s, ok
}

// Rank orders severities: 0 for INFO up to 3 for CRITICAL.
func (s Severity) Rank() int {
	for i, other := range Severities {
		if s == other {
			return i
		}
	}
	return 0
}
