package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/mysql"
)

// defaultGroup is what the guide's first steps end with. Its key stays in .env.
var defaultGroup = alerting.Group{
	Name: "默认告警群", Webhook: alerting.EnvironmentWebhook, FromEnv: true, Enabled: true,
	AlertTypes: "TICKER_SYNC_TIMEOUT,CONTAINER_DOWN", Description: "默认告警通知群组",
}

// initDB creates or migrates the database, verifies it, and adds the default
// group where there is no group yet. It may be run again and again.
func initDB(ctx context.Context, a app) error {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	say("数据库 (database): %s", databaseInForce(a.cfg))
	o := setup{policy: a.cfg.Policy, log: slog.New(slog.NewTextHandler(a.stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))}
	var err error
	if a.cfg.MySQL.Configured() {
		err = initMySQL(ctx, a, o)
	} else {
		sayWhichFile(a.stdout, a.cfg.DataDir)
	}
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, a.cfg, o)
	if err != nil {
		return err
	}
	defer func() { _ = db.close() }()
	if err := db.Ready(ctx); err != nil {
		return fmt.Errorf("验证失败 (verification failed): %w", err)
	}
	say("验证 (verified): 版本一致，可以写入 (the version is right, rows can be written)")
	if err := seed(ctx, a, db); err != nil {
		return err
	}
	say("数据库已就绪 (the database is ready): %s", databaseInForce(a.cfg))
	return nil
}

// withoutTime leaves out what a person at a terminal does not need.
func withoutTime(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey || attr.Key == slog.LevelKey {
		return slog.Attr{}
	}
	return attr
}

func sayWhichFile(w io.Writer, dir string) {
	file := filepath.Join(dir, "trade-monitor.db")
	if _, err := os.Stat(file); err == nil {
		fmt.Fprintf(w, "已存在，检查是否需要升级 (there already; migrated when needed): %s\n", file)
		return
	}
	fmt.Fprintf(w, "创建 (creating): %s\n", file)
}

func initMySQL(ctx context.Context, a app, o setup) error {
	options := mysqlOptions(a.cfg, o)
	raw, err := mysql.OpenDB(options)
	if err != nil {
		return err
	}
	defer raw.Close()
	server, err := mysql.CheckServer(ctx, raw)
	if err != nil {
		return unreachable(err)
	}
	fmt.Fprintf(a.stdout, "已连接 (connected): %s\n", server)
	before, err := mysql.Tables(ctx, raw)
	if err != nil {
		return err
	}
	if err := grantedRights(mysql.Migrate(ctx, raw, o.log)); err != nil {
		return err
	}
	after, err := mysql.Tables(ctx, raw)
	if err != nil {
		return err
	}
	created := slices.DeleteFunc(slices.Clone(after), func(name string) bool { return slices.Contains(before, name) })
	if len(created) > 0 {
		fmt.Fprintf(a.stdout, "已创建 (created): %s\n", strings.Join(created, ", "))
	}
	fmt.Fprintf(a.stdout, "表 (tables): %d，其中原有 (there before) %d\n", len(after), len(before))
	return nil
}

// unreachable adds to an error of connecting what a person should do.
func unreachable(err error) error {
	what, mend := databaseTrouble(err)
	return fmt.Errorf("%s；%s: %w", what, mend, err)
}

// databaseTrouble says why a database cannot be used at all, and the mend.
func databaseTrouble(err error) (what, mend string) {
	switch {
	case errors.As(err, new(*mysql.UnsupportedError)):
		return "数据库版本过旧 (the database is too old)", "升级数据库，或去掉 MYSQL_ 配置改用内置数据库 (upgrade it, or remove the MYSQL_ names and use the embedded database)"
	case mysql.Untrusted(err):
		return "数据库的证书不受信任 (the database's certificate is not trusted)", "用 SSL_CERT_FILE 加入签发它的 CA；MYSQL_TLS=skip-verify 不核对证书，不能防冒充 " +
			"(add its authority by SSL_CERT_FILE; MYSQL_TLS=skip-verify does not check it and does not keep impostors away)"
	case mysql.Insecure(err):
		return "数据库只接受加密连接 (the database takes encrypted connections only)", "请设置 MYSQL_TLS=true (set MYSQL_TLS=true)"
	case mysql.Hopeless(err):
		return "数据库拒绝连接 (the database refuses us)", "请检查 MYSQL_USER、MYSQL_PASSWORD 和 MYSQL_DATABASE，以及该用户的授权；只接受加密连接的 MariaDB 也这样应答，此时设置 MYSQL_TLS=true " +
			"(check these and the user's grants; a MariaDB that takes encrypted connections only answers like this, too: set MYSQL_TLS=true)"
	}
	return "数据库不可达 (the database cannot be reached)", "请检查 MYSQL_HOST、MYSQL_PORT、MYSQL_TLS 和防火墙；容器中的 127.0.0.1 是容器自己 " +
		"(check these and the firewall; in a container, 127.0.0.1 is the container)"
}

func seed(ctx context.Context, a app, db database) error {
	added, err := db.SeedGroup(ctx, defaultGroup)
	if err != nil {
		return fmt.Errorf("default group: %w", err)
	}
	if added {
		fmt.Fprintf(a.stdout, "已添加 (added): 群“%s”，使用 WECHAT_WEBHOOK_URL 的机器人 (the group with the robot of WECHAT_WEBHOOK_URL)\n", defaultGroup.Name)
	}
	if alerting.Placeholder(a.cfg.Webhook) {
		fmt.Fprintln(a.stdout, "注意：WECHAT_WEBHOOK_URL 未配置或仍是示例地址，该群收不到消息；请把机器人的 Webhook 写入 .env，再运行 trade-monitor wechat-test "+
			"(WECHAT_WEBHOOK_URL is not set or still the example: write the robot's webhook into .env, then run trade-monitor wechat-test)")
	}
	return nil
}
