package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/wecom"
)

// testable is a group that wechat-test may try.
type testable struct {
	id         int64
	name       string
	robot      string
	enabled    bool
	configured bool
}

// trials is who sends the test messages: the running service, or this process
// when there is none.
type trials interface {
	groups(ctx context.Context) ([]testable, error)
	// try tells what came of a message. An error says why none was sent.
	try(ctx context.Context, id int64) (outcome, error)
}

// outcome is what came of a test message, for people.
type outcome struct {
	Success     bool
	IsEnabled   bool
	ErrCode     int
	Explanation string
	Mend        string
	TookMs      int64
}

// tryTime bounds one test message, which takes at most 22 s by itself.
const tryTime = 25 * time.Second

// wechatTest sends a test message to the named group, or to every group that is
// told of alerts, and says how what failed is mended.
func wechatTest(ctx context.Context, a app) error {
	by, end, err := testers(ctx, a)
	if err != nil {
		return err
	}
	defer end()
	groups, err := by.groups(ctx)
	if err != nil {
		return explained(err)
	}
	if len(a.args) > 0 {
		groups, err = chosen(groups, a.args[0])
	} else {
		groups = told(groups, a.cfg.Webhook)
	}
	if err != nil {
		return err
	}
	return tryAll(ctx, a.stdout, by, groups)
}

func testers(ctx context.Context, a app) (trials, func(), error) {
	service := ourService(a.cfg)
	if a.cfg.Port != 0 && service.alive(ctx) == nil {
		return viaService{service, a.cfg.Webhook}, func() {}, nil
	}
	log := slog.New(slog.DiscardHandler)
	db, err := openDatabase(ctx, a.cfg, setup{policy: a.cfg.Policy, log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("%s 没有应答，本命令也打不开数据库 (no service answers there, and this command cannot open the database): %w", service.base, err)
	}
	client := wecom.New(wecom.Options{AllowedHosts: a.cfg.AllowedHosts, Proxy: a.cfg.HTTPSProxy})
	fmt.Fprintln(a.stdout, "服务未运行，由本命令直接发送 (the service does not run; this command sends by itself)")
	return viaDatabase{db, robots(a.cfg, db, client, ownerName(), nil, nil, log), a.cfg.Webhook}, func() { _ = db.close() }, nil
}

// fallbackName is how the group of WECHAT_WEBHOOK_URL is called.
const fallbackName = "WECHAT_WEBHOOK_URL"

func fallbackTestable(webhook alerting.Secret) testable {
	return testable{name: fallbackName, robot: alerting.RobotID(webhook), enabled: true, configured: !alerting.Placeholder(webhook)}
}

// told are the groups that alerts go to, each robot once, and the fallback
// unless a disabled group has its robot. With nothing else it is always tried,
// so that a newcomer reads what is missing.
func told(all []testable, webhook alerting.Secret) []testable {
	var groups []testable
	seen := map[string]bool{}
	fallback := fallbackTestable(webhook)
	for _, g := range all {
		switch {
		case g.id == 0: // last, if at all
		case g.enabled && (!g.configured || !seen[g.robot]):
			groups = append(groups, g)
			seen[g.robot] = true
		case !g.enabled && g.robot == fallback.robot:
			seen[g.robot] = true
		}
	}
	if len(groups) == 0 || fallback.configured && !seen[fallback.robot] {
		groups = append(groups, fallback)
	}
	return groups
}

// chosen finds the groups of a name, or else the group of an id, as the policy
// file does.
func chosen(all []testable, wanted string) ([]testable, error) {
	pick := func(is func(testable) bool) (some []testable) {
		for _, g := range all {
			if is(g) {
				some = append(some, g)
			}
		}
		return some
	}
	groups := pick(func(g testable) bool { return g.name == wanted })
	if len(groups) == 0 {
		groups = pick(func(g testable) bool { return strconv.FormatInt(g.id, 10) == wanted })
	}
	if len(groups) == 0 {
		return nil, fmt.Errorf("没有 id 或名称为 %q 的群 (there is no group with this id or name)", wanted)
	}
	return groups, nil
}

func tryAll(ctx context.Context, w io.Writer, by trials, groups []testable) error {
	failed := 0
	for _, g := range groups {
		text, ok := tryOne(ctx, by, g)
		mark := "✓"
		if !ok {
			mark = "✗"
			failed++
		}
		if _, err := fmt.Fprintf(w, "%s %s (id %d): %s\n", mark, g.name, g.id, text); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d 个群中有 %d 个未送达 (of %[1]d groups %[2]d did not get it)", len(groups), failed)
	}
	return nil
}

var errUnset = errors.New("未配置：在企业微信群里添加机器人，把它的 Webhook 写入 .env 的 WECHAT_WEBHOOK_URL 或 wechat_groups 表的 webhook_url " +
	"(not set: add a robot to the WeCom group and write its webhook into WECHAT_WEBHOOK_URL in .env, or into webhook_url of the table wechat_groups)")

// tryOne says what came of a group's test, and whether it arrived.
func tryOne(ctx context.Context, by trials, g testable) (text string, ok bool) {
	if !g.configured {
		return errUnset.Error(), false
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	o, err := by.try(ctx, g.id)
	if err != nil {
		return explained(err).Error(), false
	}
	return o.text(), o.Success
}

func (o outcome) text() string {
	lines := fmt.Sprintf("已送达，%d 毫秒 (delivered in %[1]d ms)", o.TookMs)
	switch {
	case o.Success && !o.IsEnabled:
		lines += "\n  注意：该群已停用，不会收到告警 (note: the group is disabled and gets no alerts)"
	case o.Success:
	case o.ErrCode != 0:
		lines = fmt.Sprintf("errcode %d，%s", o.ErrCode, o.Explanation)
	default:
		lines = o.Explanation
	}
	if !o.Success && o.Mend != "" {
		lines += "\n  处理 (mend)：" + o.Mend
	}
	return lines
}

// explained adds the mend to what only a person can put right.
func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case denied(err):
		return fmt.Errorf("%w；在本机的 .env 中设置带 read 和 operate 权限的 API_TOKENS (set API_TOKENS with the scopes read and operate in .env here)", err)
	case errors.Is(err, alerting.ErrSchema):
		return errors.New("数据库表缺失或版本不符，请运行 trade-monitor init-db (tables are missing or of another version: run trade-monitor init-db)")
	case errors.Is(err, alerting.ErrUnavailable):
		return fmt.Errorf("数据库不可用 (the database is unavailable): %w", err)
	}
	return err
}

// viaService asks the running service.
type viaService struct {
	service caller
	webhook alerting.Secret
}

func (v viaService) groups(ctx context.Context) ([]testable, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	var answer struct{ Data []httpapi.Group }
	if err := v.service.ask(ctx, http.MethodGet, "/api/alerts/wechat-groups", config.ScopeRead, nil, &answer); err != nil {
		return nil, err
	}
	list := []testable{}
	for _, g := range answer.Data {
		list = append(list, testable{g.ID, g.GroupName, g.RobotID, g.IsEnabled, g.Configured})
	}
	return append(list, fallbackTestable(v.webhook)), nil
}

func (v viaService) try(ctx context.Context, id int64) (outcome, error) {
	var answer struct {
		Success bool
		Data    outcome
	}
	err := v.service.ask(ctx, http.MethodPost, fmt.Sprintf("/api/alerts/wechat-groups/%d/test", id), config.ScopeOperate, nil, &answer)
	answer.Data.Success = answer.Success
	return answer.Data, err
}

// viaDatabase does what the service would.
type viaDatabase struct {
	db      database
	robots  alerts.Robots
	webhook alerting.Secret
}

func (v viaDatabase) groups(ctx context.Context) ([]testable, error) {
	groups, err := v.db.Groups(ctx)
	list := []testable{}
	for _, g := range groups {
		list = append(list, testable{g.ID, g.Name, alerting.RobotID(g.Webhook), g.Enabled, !alerting.Placeholder(g.Webhook)})
	}
	return append(list, fallbackTestable(v.webhook)), err
}

func (v viaDatabase) try(ctx context.Context, id int64) (outcome, error) {
	t, err := v.robots.Try(ctx, id, "wechat-test")
	var refused *alerting.RefusedError
	switch {
	case errors.As(err, &refused):
		now := time.Now()
		return outcome{}, errors.New(refused.Reason.Text(alerting.Chinese, now) + " (" + refused.Reason.Text(alerting.English, now) + ")")
	case err != nil:
		return outcome{}, err
	}
	what, mend := v.robots.Explain(t.Verdict)
	return outcome{
		Success: t.Verdict.Status == alerting.Accepted, IsEnabled: t.Group.Enabled, ErrCode: t.Verdict.ErrCode,
		Explanation: what, Mend: mend, TookMs: t.Took.Milliseconds(),
	}, nil
}
