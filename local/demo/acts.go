package main

import (
	"context"
	"errors"
	"time"

	"trade-monitor/shared/alerting"
)

// How long things may take, and how often is looked.
const (
	limitStart = 20 * time.Second // until all three watches see the service
	limitAlarm = 20 * time.Second // from a failure to the word in the group, and back
	limitProof = 60 * time.Second // until a restart has proven itself
	reading    = 2 * time.Second  // what a person takes to read before acting
	aftermath  = 3 * time.Second  // what comes too much would come in this time
	glance     = 150 * time.Millisecond
)

// play plays all acts and checks what came of them.
func play(ctx context.Context, s *stage) error {
	t := newStory(s.out, s.of(asyncService))
	err := t.perform(ctx, s)
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, t.verdict())
}

func (t *story) perform(ctx context.Context, s *stage) error {
	for _, a := range t.acts(s) {
		t.out.heading(a.zh, a.en)
		for _, st := range a.steps {
			if err := t.take(ctx, s, st); err != nil {
				return err
			}
		}
	}
	return nil
}

// take does what a step does, and tells what follows until it has come to its
// end.
func (t *story) take(ctx context.Context, s *stage, st step) error {
	if st.zh != "" {
		t.out.say("▶ 演示操作：%[1]s", "%[2]s", st.zh, st.en)
	}
	t.since, t.seconds, t.second = time.Now(), 0, st.second
	if st.do != nil {
		if err := st.do(ctx); err != nil {
			return err
		}
	}
	return t.follow(ctx, s.look, st.limit, st.until)
}

// act is a part of the story, under a heading.
type act struct {
	zh, en string
	steps  []step
}

// step is one thing that the demonstration does, and what it waits for then.
type step struct {
	zh, en string                      // what is done; empty: nothing
	do     func(context.Context) error // nil: nothing
	until  func() bool
	limit  time.Duration
	second func(n int) // called once for each second of waiting; nil: silence
}

// acts are the story.
func (t *story) acts(s *stage) []act {
	const stalled, down, mute = alerting.TickerSyncTimeout, alerting.ContainerDown, alerting.HeartbeatDown
	return []act{
		{"开场：一个服务，三种监控", "the opening: one service, three watches", []step{
			{do: s.startService, until: func() bool { return t.now.syncs() >= 2 && t.now.allUp() }, limit: limitStart},
		}},
		{"第一幕：日志静默。服务还活着，但 ticker 不再同步", "act 1, the log falls silent: the service lives, its ticker does not", []step{
			{"让 ticker 停滞，不再同步，也不再输出日志", "the ticker stalls: no sync, no log line any more",
				s.stall, func() bool { return t.now.resolved(stalled) }, limitAlarm, t.waitForSilence},
			{until: func() bool { return t.now.settled(stalled) }, limit: limitProof},
		}},
		{"第二幕：容器事件。服务崩溃退出", "act 2, container events: the service crashes", []step{
			{"让服务自己崩溃", "the service ends by itself",
				s.crash, func() bool { return t.now.alarmed(down) && t.elapsed() >= reading }, limitAlarm, nil},
			{"值班的" + person + "看到通知，调用 POST /api/alerts/2/handle 启动它", "the person on duty reads it and has it started by `handle`",
				t.handle(s, down), func() bool { return t.now.resolved(down) }, limitAlarm, nil},
		}},
		{"第三幕：心跳。服务在运行，但不再报告自己正常", "act 3, the heartbeat: the service runs, and no longer says that it is well", []step{
			{"让服务停发心跳", "the service stops pinging",
				s.mute, func() bool { return t.now.alarmed(mute) }, limitAlarm, t.waitForPing},
			{"让服务重新发送心跳", "it pings again",
				s.unmute, func() bool { return t.now.resolved(mute) }, limitAlarm, nil},
		}},
		{"尾声：等第二幕的启动证明自己，并确认没有多余的消息", "the end: the start of act 2 proves itself, and nothing else is said", []step{
			{until: func() bool { return t.now.settled(down) }, limit: limitProof},
			{until: func() bool { return t.elapsed() >= aftermath }, limit: 2 * aftermath},
		}},
	}
}

// handle has the first alert of a type handled, as a person would.
func (t *story) handle(s *stage, alertType string) func(context.Context) error {
	return func(ctx context.Context) error { return s.handle(ctx, t.now.alert(alertType).ID) }
}
