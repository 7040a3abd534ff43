package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// elsewhere are keys that people look for in a policy file and that are set in
// another place.
var elsewhere = map[string][2]string{
	"mode":     {"请用环境变量 REMEDIATION_MODE", "set it by REMEDIATION_MODE"},
	"webhook":  {"请用环境变量 WECHAT_WEBHOOK_URL", "set it by WECHAT_WEBHOOK_URL"},
	"language": {"请用环境变量 MESSAGE_LANGUAGE", "set it by MESSAGE_LANGUAGE"},
	"timezone": {"请用环境变量 TZ", "set it by TZ"},
}

// unknown complains about a key and says where it belongs, as far as that can
// be told.
func (r *policyReader) unknown(key *yaml.Node, at place, known []string) {
	where, plain := at.below(legible(key.Value)), bare(key.Value)
	zh := "没有这个名称；可用的：" + strings.Join(known, "、")
	en := "no such key; there are " + strings.Join(known, ", ")
	hint, moved := elsewhere[plain]
	if !moved {
		hint, moved = elsewhere[plain+"s"]
	}
	switch {
	case moved:
		zh, en = hint[0], hint[1]
	case plain == "target" && at.key == "defaults":
		zh, en = "target 只能写在某个类型下：否则所有未知类型都会处置同一个容器", "target belongs to one type: here, events of every unknown type would touch that container"
	case plain == "host" && at.key == "defaults":
		zh, en = "host 只能写在某个类型下：否则只在别的主机上的容器都无法处置", "host belongs to one type: here, no container of another host could be acted on"
	case plain == "brake" && at != place{}:
		zh, en = "刹车按主机计算，请写在最外层 brake:", "the brake is a host's: it belongs at the top, as brake:"
	case at == place{} && slices.Contains(ruleKeys, key.Value):
		zh, en = "应写在 defaults: 或 types: 的某个类型下", "belongs under defaults: or under a type of types:"
	default:
		for _, candidate := range known {
			if alike(plain, bare(candidate)) {
				zh, en = "没有这个名称，是不是 "+candidate+"？", "no such key; did you mean "+candidate+"?"
			}
		}
	}
	r.add(key.Line, where, zh, en)
}

// bare is a key without its manner of writing: incident_gap and IncidentGap are
// the same word.
func bare(key string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(key))
}

// alike tells whether two words are equal or one slip of a finger apart.
func alike(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	return i == len(a) || a[i+1:] == b[i+1:] || swapped
}
