package alerting

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMaskSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"password=hunter2 user=li":                                           "password=*** user=li",
		"PASSWORD: hunter2":                                                  "PASSWORD: ***",
		`{"db_password":"p\"4ss","port":3306}`:                               `{"db_password":***,"port":3306}`,
		`{"password": "hunter2"}`:                                            `{"password": ***}`,
		"MYSQL_PASSWORD=hunter2":                                             "MYSQL_PASSWORD=***",
		"passwd='two words' next":                                            "passwd=*** next",
		"token=abc123&x=1":                                                   "token=***&x=1",
		"access_token: abc123":                                               "access_token: ***",
		"refresh_token=abc123;":                                              "refresh_token=***;",
		"api_key=abc123":                                                     "api_key=***",
		"apiKey: abc123,":                                                    "apiKey: ***,",
		"X-Api-Key: abc123":                                                  "X-Api-Key: ***",
		"client_secret => abc":                                               "client_secret => ***",
		"Authorization: Bearer abc.def-123":                                  "Authorization: Bearer ***",
		"authorization: Basic dXNlcjpwYXNz":                                  "authorization: Basic ***",
		`"Authorization": "Bearer abcdefgh"`:                                 `"Authorization": "Bearer ***"`,
		"Authorization: abcdefgh":                                            "Authorization: ***",
		"sent Bearer abcdefgh1234 to it":                                     "sent Bearer *** to it",
		"GET https://h/send?key=1a2b-3c&x=1":                                 "GET https://h/send?key=***&x=1",
		"GET /x?a=1&sig=ab%2Fcd":                                             "GET /x?a=1&sig=***",
		"mysql://root:hunter2@db:3306/x":                                     "mysql://***@db:3306/x",
		"redis://:hunter2@cache":                                             "redis://***@cache",
		"key " + "AKIA" + "IOSFODNN7EXAMPLE used":                            "key *** used",
		"jwt eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2Q.":                    "jwt ***.",
		"Set-Cookie: sid=abc":                                                "Set-Cookie: ***",
		"\x1b[36mpassword\x1b[0m=hunter2 x":                                  "password=*** x",
		"password=\x1b[31mhunter2\x1b[0m x":                                  "password=*** x",
		"run: /app --db-password hunter2 --port 1":                           "run: /app --db-password *** --port 1",
		"curl --token hunter2 http://x":                                      "curl --token *** http://x",
		"dial li:hunter2@tcp(10.0.0.1:3306)/db":                              "dial li:***@tcp(10.0.0.1:3306)/db",
		"密码：hunter2，请重试":                                                     "密码：***，请重试",
		"-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nAAAA":                 "***",
		"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nafter": "***\nafter",
		"MIIEowIBAAKCAQEA1234\n-----END RSA PRIVATE KEY-----\nafter":         "***\nafter",
	} {
		assert.Equal(t, want, MaskSecrets(text))
	}
	for _, plain := range []string{
		"", "密码错误", "令牌已过期，请重新登录", "token: 已过期", "密码：错误", "行情同步完成 Ticker synced 12:00:03 AAPL=189.5",
		"panic: runtime error: invalid memory address", "keyboard=us monkey=1", "http://user.example/path?x=1&y=2", "2026-01-02T03:04:05Z level=info msg=ok",
		"--token --verbose", "--password", "the x-token is gone", "a passing test", "the token bucket is empty", "authorization failed", "AKIA", "bearer of bad news",
	} {
		assert.Equal(t, plain, MaskSecrets(plain))
	}
}

// No input makes it much longer than it was.
func FuzzMaskSecrets(f *testing.F) {
	f.Add("password=x token: y ?key=z Bearer abcdefgh")
	f.Add(strings.Repeat("token=", 1000))
	f.Fuzz(func(t *testing.T, text string) {
		once := MaskSecrets(text)
		if len(once) > 4*len(text)+16 {
			t.Fatalf("%d bytes became %d", len(text), len(once))
		}
	})
}
