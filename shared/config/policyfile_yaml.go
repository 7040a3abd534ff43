package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// policyReader turns a document into a policy and gathers what is wrong.
type policyReader struct {
	problems []PolicyProblem
	warnings []PolicyProblem
	said     map[place]int
	async    Async // how a log is watched where the file does not say
}

func (r *policyReader) add(line int, at place, zh, en string) {
	r.problems = append(r.problems, PolicyProblem{Line: line, Where: at.String(), Zh: zh, En: en})
}

func (r *policyReader) warn(line int, at place, zh, en string) {
	r.warnings = append(r.warnings, PolicyProblem{Line: line, Where: at.String(), Zh: zh, En: en})
}

// document parses the text; nil: it says nothing, or cannot be read.
func (r *policyReader) document(content []byte) *yaml.Node {
	content = bytes.TrimPrefix(content, []byte("\uFEFF"))
	if len(content) == 0 {
		// An editor that is saving passes through this state; to take it for
		// "all defaults" would drop the policy for a moment.
		r.add(0, place{}, "文件为空：如需全部使用默认值，请写 {}", "the file is empty: write {} to use all defaults")
		return nil
	}
	if !r.readable(content) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(content))
	if err != nil {
		r.add(0, place{}, "不是合法的 YAML", "not valid YAML")
		return nil
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		return nil // comments only
	case err != nil:
		r.syntax(err, content)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.add(second.Line, place{}, "只能有一个 YAML 文档，请删去第二个 --- 及其后的内容", "one YAML document only: remove the second --- and what follows")
	case !errors.Is(err, io.EOF):
		r.syntax(err, content)
	}
	root := &first
	if root.Kind == yaml.DocumentNode {
		if len(root.Content) == 0 {
			return nil
		}
		root = root.Content[0]
	}
	r.refuseReferences(root)
	return root
}

// readable looks for bytes that the parser would refuse without saying where.
func (r *policyReader) readable(content []byte) bool {
	line := 1
	for rest := content; len(rest) > 0; {
		char, size := utf8.DecodeRune(rest)
		switch {
		case char == utf8.RuneError && size == 1:
			r.add(line, place{}, "不是 UTF-8 编码，请用 UTF-8 保存", "not UTF-8: save the file as UTF-8")
			return false
		case char == '\n':
			line++
		case char < ' ' && char != '\t' && char != '\r', char >= 0x7f && char < 0xa0, char == 0xfeff, char == 0xfffe, char == 0xffff:
			r.add(line, place{}, "含有不可见的控制字符，请删去", "holds an invisible control character: remove it")
			return false
		}
		rest = rest[size:]
	}
	return true
}

// mends are what the parser says, as people can act on it. Nothing else that
// it says is passed on: it may quote the file.
var mends = []struct{ says, zh, en string }{
	{"mapping values are not allowed", "这里不能再有“名称: 值”：检查缩进，含冒号的值请加引号", "no `key: value` can stand here: check the indentation, quote a value that holds a colon"},
	{"cannot start any token", "有不能出现在这里的字符：缩进请用空格而不是 Tab，以 @ 或 ` 开头的值请加引号", "a character that cannot stand here: indent by spaces, not tabs; quote a value that begins with @ or `"},
	{"could not find expected ':'", "名称后缺少冒号和空格", "a colon and a space are missing after the key"},
	{"expected ',' or ']'", "从这一行开始的 [ 没有正确结束：补上 ] 或逗号", "the [ of this line is not closed: add ] or a comma"},
	{"expected ',' or '}'", "从这一行开始的 { 没有正确结束：补上 } 或逗号", "the { of this line is not closed: add } or a comma"},
	{"expected node content", "这里缺少一个值，或上一行的 [、{ 没有结束", "a value is missing here, or a [ or { of the line before is not closed"},
	{"expected key", "缩进不一致，或多了一个 - 或 }", "the indentation does not match, or there is a - or } too many"},
	{"unexpected end of stream", "从这一行开始的引号没有结束", "the quote that begins on this line is not closed"},
	{"unknown anchor", "不支持 & 和 * 引用：请直接写出值，共同的值写在 defaults 下", "references by & and * are not supported: write the value, shared ones under defaults"},
}

func (r *policyReader) syntax(err error, content []byte) {
	line, says := 0, err.Error()
	var at *yaml.LoadError
	if errors.As(err, &at) {
		line, says = at.Mark.Line, at.Message
		switch at.ContextMsg { // what was begun and not ended is mended where it began
		case "while scanning a quoted scalar", "while scanning a simple key", "while parsing a flow sequence", "while parsing a flow mapping":
			line = at.ContextMark.Line
		}
	}
	// What is missing at the end of the file is mended in its last line.
	line = min(line, 1+bytes.Count(bytes.TrimRight(content, "\r\n"), []byte("\n")))
	for _, m := range mends {
		if strings.Contains(says, m.says) {
			r.add(line, place{}, m.zh, m.en)
			return
		}
	}
	r.add(line, place{}, "不是合法的 YAML", "not valid YAML")
}

// refuseReferences refuses anchors, aliases and tags: a policy is read by
// people at night, every value stands where it holds.
func (r *policyReader) refuseReferences(n *yaml.Node) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		r.add(n.Line, place{}, "不支持 &、* 和 << 引用：请直接写出值，共同的值写在 defaults 下", "references by &, * and << are not supported: write the value, shared ones under defaults")
	} else if n.Style&yaml.TaggedStyle != 0 {
		r.add(n.Line, place{}, "不支持 ! 标签，请删去", "tags (!) are not supported: remove it")
	}
	for _, child := range n.Content {
		r.refuseReferences(child)
	}
}

// field is a key that a section may hold.
type field struct {
	key  string
	read func(value *yaml.Node, at place)
}

// section reads a mapping whose keys stand at prefix. A section without content
// says nothing: people comment all of it out.
func (r *policyReader) section(node *yaml.Node, at place, fields []field) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	values := r.mapping(node, at, "可用的名称："+strings.Join(keys, "、"), "the keys are "+strings.Join(keys, ", "), func(key *yaml.Node) bool {
		if slices.Contains(keys, key.Value) {
			return true
		}
		r.unknown(key, at, keys)
		return false
	})
	for _, f := range fields { // in our order: defaults come before types
		if v, given := values[f.key]; given {
			f.read(v, at.below(f.key))
		}
	}
}

func (p place) below(key string) place {
	if p.key != "" {
		key = p.key + "." + key
	}
	return place{section: p.section, alertType: p.alertType, key: key}
}

// mapping gives the values of a mapping by their keys, those that known admits.
func (r *policyReader) mapping(node *yaml.Node, at place, zh, en string, known func(key *yaml.Node) bool) map[string]*yaml.Node {
	switch {
	case node.Kind == yaml.AliasNode, node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return nil
	case node.Kind != yaml.MappingNode:
		r.add(node.Line, at, "必须是“名称: 值”的形式；"+zh, "must hold `key: value` lines; "+en)
		return nil
	}
	values, lines := map[string]*yaml.Node{}, map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		switch first, twice := lines[key.Value]; {
		case key.Tag == "!!merge" || key.Kind == yaml.AliasNode: // refused already
		case key.Kind != yaml.ScalarNode:
			r.add(key.Line, at, "名称必须是文字", "a key must be text")
		case twice:
			r.add(key.Line, at.below(legible(key.Value)), fmt.Sprintf("重复：第 %d 行已有，请只保留一个", first), fmt.Sprintf("given on line %d already: keep one", first))
		default:
			lines[key.Value] = key.Line
			if known(key) {
				values[key.Value] = node.Content[i+1]
			}
		}
	}
	return values
}

// legible is a key as it may be shown: what looks like no key may be a secret
// in the wrong place.
func legible(key string) string {
	if key == "" || len(key) > 60 || strings.ContainsFunc(key, func(c rune) bool { return strings.ContainsRune("/=?&@:", c) || notInWord(c) }) {
		return "…"
	}
	return key
}
