package alerting

import (
	"fmt"
	"strings"
	"time"
)

// Language is what people read.
type Language string

const (
	Chinese Language = "zh-CN"
	English Language = "en"
)

// Pick returns the text of this language.
func (l Language) Pick(zh, en string) string {
	if l == English {
		return en
	}
	return zh
}

// Reason says why something was or was not done: a code for programs, and what
// its sentence needs for people.
type Reason struct {
	Code   string
	Detail string    // a name, a cause, or a length of time such as 1m30s
	Until  time.Time // when the reason ends by itself; zero: it does not
}

// IsZero tells whether there is no reason.
func (r Reason) IsZero() bool { return r.Code == "" }

// reasonWords holds the sentence of every code. {} is the detail, {left} the
// time until the reason ends.
var reasonWords = map[string][2]string{
	// What was done.
	"told":      {"通知：{}", "told: {}"},
	"requested": {"已安排处置：{}", "remediation requested: {}"},
	"sent":      {"已送达 {}", "delivered to {}"},
	"folded":    {"已汇总送达 {}", "delivered in a digest to {}"},
	"ordered":   {"已下达重启命令：{}", "restart ordered: {}"},
	"restarted": {"容器已重启，正在确认是否恢复：{}", "container restarted, verifying: {}"},

	"start_ordered": {"已下达启动命令：{}", "start ordered: {}"},
	"started":       {"容器已启动，正在确认是否恢复：{}", "container started, verifying: {}"},
	"stop_ordered":  {"已下达停止命令：{}", "stop ordered: {}"},
	"was_stopped":   {"容器已停止，正在确认不会再次启动：{}", "container stopped, verifying that it stays so: {}"},

	// Why nobody was told.
	"no_group":       {"没有匹配的启用群，也未配置 WECHAT_WEBHOOK_URL", "no enabled group matches and WECHAT_WEBHOOK_URL is not set"},
	"silenced":       {"告警静默中（{}），{left}后结束", "silenced ({}), ends in {left}"},
	"in_hand":        {"告警已确认，内容没有变化，不再提醒", "acknowledged and unchanged: no further reminder"},
	"switched_off":   {"没有匹配的启用群，WECHAT_WEBHOOK_URL 的机器人已在群表中停用", "no enabled group matches, and a disabled group has the robot of WECHAT_WEBHOOK_URL"},
	"named_nobody":   {"策略指定的群无法通知：{}；已按平常的规则通知", "groups that the policy names cannot be told: {}; the usual ones are told"},
	"named_partly":   {"策略指定的群有的未通知：{}", "not told, although the policy names them: {}"},
	"repeat_wait":    {"同一告警持续中，{left}后再次提醒", "the same alert goes on; next reminder in {left}"},
	"later_step":     {"无人确认时才通知：升级的第 {} 步", "told when nobody acknowledges: step {} of the escalation"},
	"no_repeat":      {"同一告警持续中，策略规定不重复提醒", "the same alert goes on; by policy there are no reminders"},
	"alert_gone":     {"告警记录已被删除", "the alert's record was deleted"},
	"group_gone":     {"群配置已删除或停用", "the group was deleted or disabled"},
	"not_opened":     {"没有对应的未恢复告警", "nothing was open"},
	"was_not_told":   {"该群未收到过此告警", "this group was never told of the alert"},
	"nobody_to_call": {"策略已不再要求用手机号或 @all 呼叫", "the policy calls nobody by mobile number or @all any more"},
	"bad_words":      {"企业微信拒绝了消息内容：{}", "WeCom refused the content: {}"},
	"queued":         {"已排队，即将发送", "in the queue, about to be sent"},
	"overload":       {"待发的超过每分钟额度，将合并发送，最早在{left}后", "more waits than a minute's budget allows: it goes with others, in {left} at the earliest"},
	"calls_apart":    {"刚呼叫过，{left}后再呼叫，期间的合并", "people were called a moment ago: again in {left}, together with what comes meanwhile"},
	"too_long":       {"企业微信认为内容过长，缩短后重发：{}", "WeCom says that it is too long; sent again, shorter: {}"},
	"robot_busy":     {"机器人暂时不可用：{}", "the robot cannot be reached now: {}"},
	"said_before":    {"与上次相同，不再通知", "the same as before; not told again"},
	"digest_refused": {"企业微信拒绝了汇总内容，只发数字：{}", "WeCom refused a digest; its numbers alone are sent: {}"},
	"process_ended":  {"进程在发送途中退出，结果未知", "the process ended while sending; outcome unknown"},

	"robot_rate_limit": {"机器人超过频率限制，暂停发送：{}", "the robot is over its rate and pauses: {}"},
	"robot_robot_gone": {"机器人已失效：{}", "the robot is gone: {}"},

	// Why a group was owed nothing.
	"group_off":         {"该群已停用（is_enabled = 0）", "the group is disabled (is_enabled = 0)"},
	"other_types":       {"该群只订阅 {}", "the group asks for {} only"},
	"others_named":      {"策略为该类型指定了其他群", "the policy names other groups for this type"},
	"same_robot":        {"与群“{}”是同一个机器人，只通知一次", "group {} has the same robot, which is told once"},
	"fallback_unneeded": {"有匹配的群，不需要 WECHAT_WEBHOOK_URL", "groups match: WECHAT_WEBHOOK_URL is not needed"},
	"own_robot":         {"告警说的是该群的机器人，只通知其他群", "the alert is about this group's own robot: the others are told"},
	"joined_later":      {"通知时该群还不在收件之列", "the group was not among those to tell when they were told"},

	// Why no test message was sent.
	"robot_unset":     {"群“{}”的 Webhook 未配置或仍是示例地址", "the webhook of group {} is not set or still the example"},
	"robot_in_flight": {"机器人正在发送另一条消息，{left}后可再试", "the robot is sending another message; try again in {left}"},
	"robot_budget":    {"该机器人 61 秒内的 19 条已用完，{left}后可再试", "the robot's 19 messages in 61 s are used up; try again in {left}"},

	// Why nothing was restarted.
	"mode_off":          {"自动处置已关闭（REMEDIATION_MODE=off）", "remediation is off (REMEDIATION_MODE=off)"},
	"dry_run":           {"演练模式：本应处置 {}", "dry run: {} would have been acted on"},
	"no_action":         {"该告警类型没有定义处置动作", "no action is defined for this alert type"},
	"bad_target":        {"服务名不是合法的容器名", "the service name is not a container name"},
	"not_allowed":       {"容器 {} 不在允许重启的名单中", "container {} is not on the allow-list"},
	"ourselves":         {"{} 是 Trade Monitor 自己", "{} is Trade Monitor itself"},
	"under_way":         {"对 {} 的处置正在进行，{left}内不再重启", "{} is being put right already; no further restart within {left}"},
	"cooldown":          {"冷却中，还剩 {left}", "cooling down, {left} left"},
	"budget":            {"容器 {} 的重启次数已用完（熔断），请人工处理，{left}后自动恢复", "the restarts of {} are used up (breaker open): a person is needed; re-armed in {left}"},
	"symptom_gone":      {"再次判断时症状已消失", "the symptom was gone when it was decided again"},
	"below_severity":    {"严重程度低于策略要求的 {}", "the severity is below {}, which the policy asks for"},
	"ladder_end":        {"策略的步骤已全部执行，{} 请人工处理", "all steps of the policy were taken: {} needs a person"},
	"brake":             {"主机 {} 上多个容器同时异常，自动处置暂停，{left}后重新判断", "many containers of the host {} fail at once: held, decided again in {left}"},
	"in_hand_of_person": {"有人正在停止或重启容器 {}，不插手", "somebody is stopping or restarting {} at this moment: hands off"},
	"stopped_by_person": {"容器 {} 由人停止，不自动启动", "{} was stopped by a person and is not started by itself"},
	"paused":            {"容器 {} 已被暂停（docker pause），不插手", "{} is paused (docker pause): hands off"},
	"starting":          {"容器 {} 刚刚启动，{left}后重新判断", "{} was started a moment ago: decided again in {left}"},
	"two_hosts":         {"多台主机（{}）上都有这个名字的容器，请在策略的 host 中指明是哪一台", "several hosts have a container of that name ({}): say in the policy, by host, which one is meant"},
	"unclaimed":         {"没有主机认领：{}", "no host took it: {}"},
	"no_container":      {"容器 {} 不存在", "there is no container {}"},
	"not_running":       {"容器 {} 未在运行，不自动启动", "container {} is not running and is not started by itself"},
	"no_engine":         {"无法连接 Docker：{}", "Docker cannot be reached: {}"},
	"alert_over":        {"此前告警已恢复", "the alert was over by then"},
	"engine_error":      {"Docker 拒绝：{}", "Docker refused: {}"},
	"host_away":         {"执行处置的主机 {} 上不再运行 Trade Monitor，结果未知", "no Trade Monitor runs any more on {}, which was at work; outcome unknown"},
	"engine_restarted":  {"处置期间 Docker 引擎重启，结果未知", "the Docker engine restarted meanwhile; outcome unknown"},
	"container_changed": {"容器在处置期间被重建", "the container was recreated meanwhile"},

	// What people did about breakers and brakes, and why they could not.
	"rearmed":        {"由 {} 复位熔断，重新判断", "the breaker was re-armed by {}: decided again"},
	"brake_released": {"由 {} 解除刹车，重新判断", "the brake was released by {}: decided again"},
	"brake_off":      {"主机 {} 的刹车没有生效", "the brake of the host {} does not hold"},
	"which_host":     {"有多台主机名为 {}，请改用主机的 id", "several hosts have the name {}: give the id of one"},
	"runs_already":   {"容器 {} 已在运行，只确认是否稳定", "{} runs already: it would only be verified"},

	// Why the database cannot be used, for who is told without it: no host, no
	// user, nothing of an error's own text.
	"database_away":     {"连接不上数据库", "the database cannot be reached"},
	"database_hangs":    {"数据库没有应答", "the database does not answer"},
	"database_full":     {"数据库的磁盘已满", "the database's disk is full"},
	"database_refuses":  {"数据库拒绝登录", "the database refuses the login"},
	"database_tables":   {"数据库的表缺失或版本不符", "tables are missing or of another version"},
	"database_readonly": {"数据库写不进去", "the database cannot be written to"},

	// Why a silence was not made.
	"too_many_silences": {"未结束的静默已达上限 {} 条，请先结束不用的", "{} silences are not over, which is the limit: end those no longer needed"},

	// Why a heartbeat was not declared or deleted.
	"too_many_heartbeats": {"由心跳请求声明的心跳已达上限 {} 个，请删除不用的，或在策略文件中声明", "pings have declared {} heartbeats, which is the limit: delete those no longer needed, or declare them in the policy file"},
	"heartbeat_of_policy": {"心跳 {} 由策略文件声明，请在策略文件中删除", "the policy file declares the heartbeat {}: remove it there"},

	// What a remediation came to.
	"stable":           {"容器已稳定运行 {}", "the container has been running stably for {}"},
	"healthy":          {"容器健康检查通过（{}）", "the container is healthy ({})"},
	"person_took_over": {"处置后有人停止或重启了容器 {}，由人接手", "somebody stopped or restarted {} after it was acted on: it is in their hands"},
	"stopped":          {"容器 {} 已停止，没有再次启动", "{} was stopped and has not started again"},
	"runs_again":       {"容器 {} 停止后又在运行", "{} runs again after it was stopped"},
	"not_stable":       {"未能稳定运行：{}", "it does not stay up: {}"},
	"unhealthy":        {"健康检查未通过：{}", "the health check fails: {}"},
	"call_timeout":     {"重启命令超时，结果未知：{}", "the restart call timed out; outcome unknown: {}"},
	"symptom_stays":    {"容器已重启，但 {} 后症状仍在", "the container was restarted, and the symptom is still there after {}"},
	"symptom_returned": {"重启后 {} 内同样的症状再次出现", "the same symptom came back within {} of the restart"},

	// How an alert ended.
	"by_sender":     {"服务报告已恢复", "the service reported that it is well"},
	"by_person":     {"由 {} 标记为已解决", "resolved by {}"},
	"by_remedy":     {"自动处置成功", "remediation succeeded"},
	"incident_gap":  {"{} 内没有新事件，按新告警处理", "no event for {}; the next one opened a new alert"},
	"already_over":  {"告警已恢复", "the alert is over already"},
	"acknowledged":  {"由 {} 确认", "acknowledged by {}"},
	"manual":        {"由 {} 手动触发", "asked for by {}"},
	"policy_ladder": {"按策略自动处置", "by policy"},
}

// endless holds the sentences of reasons that end by themselves at a time that
// nobody knows.
var endless = map[string][2]string{
	"under_way": {"对 {} 的处置正在进行，请等它结束", "{} is being put right already: wait until that is over"},
}

// Text gives the sentence in a language, as of now. An unknown code stands for
// itself, so that a newer record is readable by an older program.
func (r Reason) Text(lang Language, now time.Time) string {
	left := time.Duration(0)
	if !r.Until.IsZero() && !now.IsZero() && r.Until.After(now) {
		left = r.Until.Sub(now)
	}
	return r.text(lang, lang.Duration(left))
}

// text gives it with the time that is left in words.
func (r Reason) text(lang Language, left string) string {
	if r.IsZero() {
		return ""
	}
	words, known := reasonWords[r.Code]
	if !known {
		return strings.TrimSpace(r.Code + " " + r.Detail)
	}
	if other, ok := endless[r.Code]; ok && r.Until.IsZero() {
		words = other
	}
	// The detail last: what a stranger wrote into it is not looked at again.
	sentence := lang.Pick(words[0], words[1])
	sentence = strings.ReplaceAll(sentence, "{left}", left)
	if !strings.Contains(sentence, "{}") {
		return sentence
	}
	detail := r.Detail
	if span, err := time.ParseDuration(detail); err == nil {
		detail = lang.Duration(span)
	}
	return strings.ReplaceAll(sentence, "{}", detail)
}

// Duration writes a length of time as people say it, to the second.
func (l Language) Duration(d time.Duration) string {
	d = d.Round(time.Second)
	hours, minutes, seconds := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	h, m, s := l.Pick("小时", "h"), l.Pick("分", "m"), l.Pick("秒", "s")
	switch {
	case hours > 0 && minutes == 0:
		return fmt.Sprintf("%d%s", hours, h)
	case hours > 0:
		return fmt.Sprintf("%d%s%d%s", hours, h, minutes, m)
	case minutes > 0 && seconds == 0:
		return fmt.Sprintf("%d%s", minutes, l.Pick("分钟", "m"))
	case minutes > 0:
		return fmt.Sprintf("%d%s%d%s", minutes, m, seconds, s)
	}
	return fmt.Sprintf("%d%s", seconds, s)
}
