package alerting

import "regexp"

// hidden stands where a credential was.
const hidden = "***"

// secretForms are the ways in which programs write credentials into their logs.
// What stands for the value begins with an ASCII character, so that a Chinese
// sentence about a token stays readable.
var secretForms = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), hidden},
	// The end of one whose beginning is not in the text.
	{regexp.MustCompile(`(?:[A-Za-z0-9+/=]{16,}\s+)*-----END [A-Z ]*PRIVATE KEY-----`), hidden},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`), hidden},
	{regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{12,}`), hidden},
	// user:password@ of an address
	{regexp.MustCompile(`(://)[^\s/@"']+@`), "${1}" + hidden + "@"},
	{regexp.MustCompile(`(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|digest|token|aws4-hmac-sha256)\s+)?)[!-~][^"'\r\n]*`), "${1}" + hidden},
	{regexp.MustCompile(`(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{6,}`), "${1}" + hidden},
	{regexp.MustCompile(`(?i)([?&;](?:key|sig|signature|sign|code|auth|access_key)=)[^\s&"'<>]+`), "${1}" + hidden},
	// An option and its value, which stand apart.
	{regexp.MustCompile(`(?i)((?:^|[\s"'])--?(?:[a-z0-9]+[_-])*(?:password|passwd|passphrase|secret|token|(?:api|access|secret)[_-]?key)\s+)[!-,./-~][^\s]*`), "${1}" + hidden},
	// user:password@tcp(host), as Go's drivers are told where their database is
	{regexp.MustCompile(`(:)[^\s:@/"']+(@(?:tcp|tcp4|tcp6|unix)\()`), "${1}" + hidden + "${2}"},
	// A name that ends in such a word, and its value, quoted or not.
	{regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)|\bpwd|secret|token|credentials?|cookie|(?:api|access|private|secret|encryption|signing|session|auth)[_.-]?(?:key|id))[a-z0-9_]{0,12}\\?["']?\s*(?:=>|[:=])\s*)(?:\\?"(?:\\.|[!-~])(?:\\.|[^"\\\r\n])*"?|'[!-~][^'\r\n]*'?|[!-~][^\s,;&"'<>)}\]]*)`), "${1}" + hidden},
	{regexp.MustCompile(`((?:密码|口令|密钥|令牌)\s*[:：=]\s*)[!-~][^\s,;&"'<>，。；）)]*`), "${1}" + hidden},
}

// colour is what a terminal takes for one: loggers put it between a name and its
// value.
var colour = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`)

// MaskSecrets takes what looks like a credential out of a text that a stranger
// wrote: passwords, tokens, keys in addresses, authorization headers, private
// keys. It cannot know every form; it must never make anything worse.
func MaskSecrets(text string) string {
	text = colour.ReplaceAllString(text, "")
	for _, s := range secretForms {
		text = s.form.ReplaceAllString(text, s.with)
	}
	return text
}
