package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/joho/godotenv"
)

// DotEnv makes a lookup that finds in the process environment first and then in
// the file at path; a missing file is an empty one. What the environment sets
// to nothing is set: the file does not fill it. A line that cannot be read is
// an error with its number and without its content.
func DotEnv(path string, environment Lookup) (Lookup, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return environment, nil
	}
	if err != nil {
		return nil, fmt.Errorf("读取 %s 失败 (cannot be read): %w", path, err)
	}
	content = bytes.TrimPrefix(content, []byte("\uFEFF"))
	values, err := godotenv.UnmarshalBytes(content)
	if line := brokenLine(content); line > 0 {
		return nil, fmt.Errorf("%s 第 %d 行无法解析，应为 NAME=value (line %d cannot be read, write NAME=value)", path, line, line)
	}
	if err != nil { // its text quotes the file
		return nil, fmt.Errorf("%s 无法解析 (cannot be read)", path)
	}
	return func(name string) (string, bool) {
		if value, set := environment(name); set {
			return value, true
		}
		value, set := values[name]
		return value, set
	}, nil
}

// longestValue is how many lines one quoted value may have.
const longestValue = 100

// brokenLine finds the first line that starts no readable assignment, from 1,
// or gives 0. It reads assignment by assignment, each the shortest run of
// lines that can be read: a quoted value may span several.
func brokenLine(content []byte) int {
	lines := bytes.SplitAfter(content, []byte("\n"))
	for at := 0; at < len(lines); {
		taken := assignment(lines[at:])
		if taken == 0 {
			return at + 1
		}
		at += taken
	}
	return 0
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// assignment counts the lines of the assignment, comment or blank line that
// lines start with; 0: none of these.
func assignment(lines [][]byte) int {
	for n := 1; n <= min(len(lines), longestValue); n++ {
		values, err := godotenv.UnmarshalBytes(bytes.Join(lines[:n], nil))
		if err != nil {
			continue
		}
		for name := range values {
			if !variable.MatchString(name) {
				return 0
			}
		}
		return n
	}
	return 0
}
