// Package wecomtest is a WeCom robot that answers as the real one does: HTTP 200
// with an errcode, a sliding limit of 20 messages a minute, limits in bytes, and
// on request every fault that a network can have. Tests ask it what people would
// have read; the demonstration runs it as a program and shows its page.
package wecomtest
