package wecom

import (
	"encoding/json"
	"fmt"
	"net/http"

	"trade-monitor/shared/alerting"
)

// judge turns an answer into a verdict. WeCom answers HTTP 200 to success and
// failure alike, so that only errcode counts, never errmsg; what comes from a
// proxy or a broken server has no errcode and is an unknown outcome.
func judge(status int, answer []byte) alerting.Verdict {
	var a struct {
		ErrCode *int   `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
	}
	if status >= http.StatusInternalServerError {
		return unknown(fmt.Sprintf("HTTP %d", status))
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.ErrCode == nil {
		return unknown(fmt.Sprintf("HTTP %d，应答无法识别 (unreadable answer, %d bytes)", status, len(answer)))
	}
	code := *a.ErrCode
	if code == 0 {
		if status != http.StatusOK {
			return unknown(fmt.Sprintf("HTTP %d，errcode 0", status))
		}
		return alerting.Verdict{Status: alerting.Accepted, Class: alerting.ClassOK}
	}
	text := fmt.Sprintf("errcode %d", code)
	if a.ErrMsg != "" {
		text += ": " + a.ErrMsg
	}
	return alerting.Verdict{Status: alerting.Refused, ErrCode: code, Class: classOf(code), Error: text}
}

func unknown(text string) alerting.Verdict {
	return alerting.Verdict{Status: alerting.Unknown, Class: alerting.ClassBusy, Error: text}
}

// classOf says what to do about an errcode. One that is not listed is tried
// again: to give up on a word because of a code we do not know would be worse.
func classOf(code int) alerting.VerdictClass { return ofCode(code).class }

// meaning is what an errcode says, and what a person can do about it.
type meaning struct {
	class          alerting.VerdictClass
	zh, en         string
	zhMend, enMend string
}

const (
	zhAgain, enAgain   = "请稍后再试；告警会自动重试", "try again later; alerts are tried again by themselves"
	zhReport, enReport = "请报告此问题", "please report it"
)

// codes are the answers of a robot, from the official page of group robots and
// the official list of error codes.
var codes = map[int]meaning{
	0:  {alerting.ClassOK, "成功", "accepted", "", ""},
	-1: {alerting.ClassBusy, "企业微信系统繁忙", "WeCom is busy", zhAgain, enAgain},
	45033: {alerting.ClassBusy, "并发调用过多", "too many calls at once",
		"请检查是否有其他程序在用同一个机器人；告警会自动重试", "check whether other programs use this robot; alerts are tried again by themselves"},
	45009: {alerting.ClassRateLimit, "超过每分钟 20 条的限制，消息未送达", "over 20 messages a minute, not delivered",
		"请勿与其他程序共用该机器人；机器人暂停至少 60 秒，之后告警自动重发", "do not share this robot with other programs; it pauses for at least 60 s, then alerts are sent again by themselves"},
	93000: {alerting.ClassRobotGone, "Webhook 的 key 无效或机器人已被移除", "the webhook's key is wrong or the robot was removed",
		"请在群里重新添加机器人，并更新 webhook_url", "add a robot to the group again and update webhook_url"},
	93004: {alerting.ClassRobotGone, "机器人已被停用", "the robot is disabled",
		"请在企业微信中启用它，或更换 webhook_url", "enable it in WeCom or change webhook_url"},
	93008: {alerting.ClassRobotGone, "机器人不在群里", "the robot is not in the group",
		"请把它重新加入群，或更换 webhook_url", "add it again or change webhook_url"},
	40058: {alerting.ClassTooLong, "参数不合法，通常是内容过长（markdown 4096 字节，text 2048 字节）", "invalid parameter, as a rule content that is too long (4096 bytes of markdown, 2048 of text)", zhReport, enReport},
	45002: {alerting.ClassTooLong, "内容过长", "the content is too long", zhReport, enReport},
	40008: {alerting.ClassBadWords, "消息类型或 JSON 不合法", "bad message type or JSON", zhReport, enReport},
	44004: {alerting.ClassBadWords, "消息内容为空", "the content is empty", zhReport, enReport},
}

// ofCode is what an errcode means, also one that is not listed.
func ofCode(errcode int) meaning {
	if known, ok := codes[errcode]; ok {
		return known
	}
	return meaning{
		alerting.ClassBusy, fmt.Sprintf("未知的 errcode %d", errcode), fmt.Sprintf("unknown errcode %d", errcode),
		fmt.Sprintf("含义见 https://open.work.weixin.qq.com/devtool/query?e=%d；告警会自动重试", errcode),
		fmt.Sprintf("see https://open.work.weixin.qq.com/devtool/query?e=%d; alerts are tried again by themselves", errcode),
	}
}
