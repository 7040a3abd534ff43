package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Problem is one name whose value cannot be used, with what is allowed, in
// Chinese and in English.
type Problem struct {
	Name string
	Zh   string
	En   string
}

// InvalidError names everything that is wrong with the environment. It holds
// no value of any name.
type InvalidError struct {
	Problems []Problem
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "配置有 %d 处错误，无法启动 (problems in the configuration: %d; not started)：", len(e.Problems), len(e.Problems))
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  - %s：%s (%s)", p.Name, p.Zh, p.En)
	}
	return b.String()
}

// problems collects what is wrong while values are read.
type problems struct {
	all []Problem
}

func (p *problems) add(name, zh, en string) {
	p.all = append(p.all, Problem{Name: name, Zh: zh, En: en})
}

func (p *problems) orNil() error {
	if len(p.all) == 0 {
		return nil
	}
	return &InvalidError{Problems: p.all}
}

func (p *problems) integer(name, value string, least, most int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		p.add(name, fmt.Sprintf("必须是 %d 到 %d 的整数", least, most), fmt.Sprintf("must be a whole number from %d to %d", least, most))
	}
	return n
}

// choice reads one of a few words, in any case.
func (p *problems) choice(name, value string, words ...string) string {
	for _, word := range words {
		if strings.EqualFold(word, value) {
			return word
		}
	}
	list := strings.Join(words, " | ")
	p.add(name, "只能是 "+list, "must be one of "+list)
	return ""
}

// The span of a time that somebody may wait for.
const (
	shortest = time.Second
	longest  = 7 * 24 * time.Hour
)

// span reads a number of units, or a Go duration.
func (p *problems) span(name, value string, unit time.Duration, zhUnit, enUnit string) time.Duration {
	d, err := time.ParseDuration(value)
	if n, notNumber := strconv.ParseFloat(value, 64); notNumber == nil {
		// The bound comes first: a float too large for a Duration converts to
		// anything.
		err, d = nil, 0
		if n > 0 && n <= float64(longest/unit) {
			d = time.Duration(n * float64(unit))
		}
	}
	if err != nil || d < shortest || d > longest {
		p.add(name,
			fmt.Sprintf("必须是 1 秒到 7 天的时长：数字（单位：%s），或 3m、90s 这样的写法", zhUnit),
			fmt.Sprintf("must be from 1 second to 7 days: a number of %s, or a duration such as 3m or 90s", enUnit))
	}
	return d
}

// link reads an absolute http(s) URL that may be shown: one with a password in
// it may not.
func (p *problems) link(name, value string) string {
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	switch {
	case err != nil, u.Hostname() == "", u.Scheme != "http" && u.Scheme != "https", u.RawQuery != "", u.Fragment != "":
		p.add(name, "必须是 http:// 或 https:// 开头的地址，不带 ? 和 #", "must be an address that starts with http:// or https://, without ? and #")
	case u.User != nil:
		p.add(name, "地址中不能带用户名和密码", "must not hold a user name or password")
	}
	return strings.TrimRight(value, "/")
}

// word reads a value that is one word.
func (p *problems) word(name, value string) string {
	if strings.ContainsFunc(value, notInWord) {
		p.add(name, "不能包含空格或控制字符", "must not hold spaces or control characters")
	}
	return value
}

func notInWord(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// path reads the name of a file or folder.
func (p *problems) path(name, value string) string {
	if strings.ContainsFunc(value, unicode.IsControl) {
		p.add(name, "路径不能包含控制字符", "must be a path without control characters")
	}
	return value
}

// each checks the items of a list and names the bad ones by their place, since
// the items themselves may be secrets.
func (p *problems) each(name string, items []string, valid func(string) bool, zh, en string) {
	for i, item := range items {
		if !valid(item) {
			p.add(name, fmt.Sprintf("第 %d 项：%s", i+1, zh), fmt.Sprintf("item %d: %s", i+1, en))
		}
	}
}

// list splits at commas, also the Chinese one; empty and repeated items are
// left out.
func list(value string, more ...rune) []string {
	var items []string
	for _, item := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == '，' || slices.Contains(more, r) }) {
		item = strings.TrimSpace(item)
		if item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}
