// Package wecom speaks to the group robots of WeCom (企业微信): a client that
// judges every answer by its errcode, and the words of a message, which fit the
// robot's limit and in which an event's own text can do nothing but be read.
package wecom
