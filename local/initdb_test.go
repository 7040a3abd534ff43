package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
)

func initSettings(db storetest.Database) []string {
	return append(databaseSettings(db), "REMEDIATION_MODE=off")
}

func TestInitDBCreatesVerifiesAndAddsTheDefaultGroup(t *testing.T) {
	db := storetest.MariaDB(t)
	first := typeCommand(t, t.TempDir(), append(initSettings(db), "WECHAT_WEBHOOK_URL=https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot-init"), "init-db")
	require.Zero(t, first.code, first.out)
	assert.Contains(t, first.out, "已连接 (connected): MariaDB 10.")
	assert.Regexp(t, `已创建 \(created\): .*alert_records.*wechat_groups`, first.out)
	assert.Contains(t, first.out, "验证 (verified)")
	assert.Contains(t, first.out, "已添加 (added): 群“默认告警群”")
	assert.NotContains(t, first.out, "注意")

	second := typeCommand(t, t.TempDir(), initSettings(db), "init-db")
	require.Zero(t, second.code, second.out)
	assert.NotContains(t, second.out, "已创建")
	assert.NotContains(t, second.out, "已添加", "a second run changes nothing")
	assert.Contains(t, second.out, "WECHAT_WEBHOOK_URL 未配置", "and still says what is missing")

	var name, webhook, types string
	require.NoError(t, db.Admin(t, db.Name).QueryRow("SELECT group_name, webhook_url, alert_types FROM wechat_groups").Scan(&name, &webhook, &types))
	assert.Equal(t, []string{"默认告警群", "${WECHAT_WEBHOOK_URL}", "TICKER_SYNC_TIMEOUT,CONTAINER_DOWN"}, []string{name, webhook, types})
}

func TestInitDBLeavesTheGroupsOfPeopleAlone(t *testing.T) {
	db := storetest.MariaDB(t)
	require.Zero(t, typeCommand(t, t.TempDir(), initSettings(db), "init-db").code)
	_, err := db.Admin(t, db.Name).Exec("UPDATE wechat_groups SET group_name = '交易组', is_enabled = 0")
	require.NoError(t, err)
	require.Zero(t, typeCommand(t, t.TempDir(), initSettings(db), "init-db").code)
	var n int
	require.NoError(t, db.Admin(t, db.Name).QueryRow("SELECT COUNT(*) FROM wechat_groups WHERE group_name = '交易组' AND is_enabled = 0").Scan(&n))
	require.Equal(t, 1, n)
}

func TestInitDBOnTheEmbeddedDatabase(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	busy := s.command("init-db")
	assert.Equal(t, 1, busy.code)
	assert.Contains(t, busy.out, "已被另一个 trade-monitor 进程占用")
	require.Zero(t, s.stop())
	done := typeCommand(t, s.dir, s.env, "init-db")
	assert.Zero(t, done.code, done.out)
	assert.Contains(t, done.out, "已存在")
	assert.Contains(t, done.out, "已添加")
}

func TestInitDBSaysWhatToDo(t *testing.T) {
	db := storetest.MariaDB(t)
	root := db.Admin(t, "")
	_, err := root.Exec("CREATE USER 'reader'@'%' IDENTIFIED BY 'canary-reader-password'; GRANT SELECT, INSERT, UPDATE, DELETE ON " + db.Name + ".* TO 'reader'@'%'")
	require.NoError(t, err)
	as := func(more ...string) typed {
		return typeCommand(t, t.TempDir(), append(initSettings(db), more...), "init-db")
	}
	reader := []string{"MYSQL_USER=reader", "MYSQL_PASSWORD=canary-reader-password"}
	for name, test := range map[string]struct {
		settings []string
		says     string
	}{
		"no right to create": {reader, "由管理员执行 sql/init.sql，或授予 CREATE, ALTER, INDEX 权限"},
		"a wrong password":   {[]string{"MYSQL_PASSWORD=canary-wrong-password"}, "请检查 MYSQL_USER、MYSQL_PASSWORD 和 MYSQL_DATABASE"},
		"no such database":   {[]string{"MYSQL_DATABASE=nothing"}, "请检查 MYSQL_USER、MYSQL_PASSWORD 和 MYSQL_DATABASE"},
		"nobody there":       {[]string{"MYSQL_PORT=1"}, "请检查 MYSQL_HOST、MYSQL_PORT"},
	} {
		done := as(test.settings...)
		assert.Equal(t, 1, done.code, name)
		assert.Contains(t, done.out, test.says, name)
		assert.Less(t, done.took, 10*time.Second, name)
	}

	_, err = db.Admin(t, db.Name).Exec(fromRoot(t, "sql/init.sql"))
	require.NoError(t, err)
	done := as(reader...)
	assert.Zero(t, done.code, "after init.sql no right to create is needed: %s", done.out)
}

// MariaDB can call itself anything.
func TestAnOldServerIsRefusedInAClearSentence(t *testing.T) {
	db := storetest.OwnMariaDB(t, "--version=5.7.44-log")
	for _, command := range []string{"init-db", "serve"} {
		done := typeCommand(t, t.TempDir(), append(initSettings(db), "PORT=0"), command)
		assert.Equal(t, 1, done.code, done.out)
		assert.Contains(t, done.out, "数据库是 MySQL 5.7.44-log，需要 MySQL 8.0 或 MariaDB 10.6 及以上")
	}
}

// The guide's method 1: from the scripts' folder, settings from .env, and what is
// exported wins.
func TestInitDBByTheScript(t *testing.T) {
	db := storetest.MariaDB(t)
	d := cloneWithBinary(t)
	settings := initSettings(db)
	writeFile(t, filepath.Join(d, ".env"), strings.Join(settings, "\n")+"\n")
	out, err := inFolder(t, filepath.Join(d, "scripts"), nil, "./init_db.sh")
	require.NoError(t, err, out)
	require.Contains(t, out, "数据库已就绪 (the database is ready): MySQL 127.0.0.1")

	out, err = inFolder(t, d, []string{"MYSQL_DATABASE=nothing"}, "scripts/init_db.sh")
	require.Error(t, err)
	require.Contains(t, out, "MYSQL_DATABASE", "what is exported wins over .env")
}
