package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
)

// docker tells whether the engine can be used, and if not, why.
func (e *examination) docker(ctx context.Context) []doctor.Finding {
	if trouble := socketTrouble(e.cfg.DockerHost); trouble != nil {
		if e.cfg.Mode == alerting.Off { // whoever restarts nothing may do without
			return []doctor.Finding{doctor.Good("REMEDIATION_MODE=off，也不监控容器 (no container is watched either)：%s", trouble.What)}
		}
		return []doctor.Finding{*trouble}
	}
	engine, err := docker.Open(e.cfg.DockerHost)
	if err != nil {
		return []doctor.Finding{failed("改正 DOCKER_HOST (correct DOCKER_HOST)", "%v", err)}
	}
	defer engine.Close()
	if err := engine.Ping(ctx); err != nil {
		return []doctor.Finding{failed("启动 Docker (systemctl start docker)，检查 DOCKER_HOST (start Docker, check DOCKER_HOST)", "引擎没有应答，无法重启容器 (the engine does not answer): %v", err)}
	}
	return []doctor.Finding{doctor.Good("可达 (reachable)")}
}

// socketTrouble tells what is wrong with a socket file; nil: nothing.
func socketTrouble(host string) *doctor.Finding {
	if host == "" {
		host = docker.DefaultHost
	}
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil
	}
	var f doctor.Finding
	conn, err := net.DialTimeout("unix", path, 3*time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		return nil
	case errors.Is(err, fs.ErrNotExist):
		f = failed("启动 Docker；在容器中挂载 /var/run/docker.sock (start Docker; in a container mount the socket)", "没有 socket 文件 (there is no socket): %s", path)
	case errors.Is(err, fs.ErrPermission):
		f = failed(fmt.Sprintf("把运行用户加入 socket 的组 (gid %s)：usermod -aG docker 用户名；容器用 group_add (add the user to the socket's group; in a container, group_add)", groupOf(path)), "无权使用 socket (no permission): %s", path)
	default:
		f = failed("启动 Docker：systemctl start docker (start Docker)", "socket 上没有引擎 (no engine behind the socket): %s", path)
	}
	return &f
}

// containers looks for every name of the allow-list.
func (e *examination) containers(ctx context.Context) []doctor.Finding {
	var findings []doctor.Finding
	watched := e.cfg.Async.Container
	if len(e.cfg.Containers) == 0 {
		findings = append(findings, warned("在 .env 的 REMEDIATION_CONTAINERS 中写容器名，或给容器加标签 trade-monitor.restart=true (name containers in REMEDIATION_CONTAINERS, or label them)", "名单为空，只能处置带标签的容器 (the allow-list is empty; only labelled containers)"))
	} else if !slices.Contains(e.cfg.Containers, watched) {
		findings = append(findings, warned("需要自动重启就把它加入 REMEDIATION_CONTAINERS (add it where it shall be restarted)", "ASYNC_MONITOR_CONTAINER %s 不在 REMEDIATION_CONTAINERS 中 (is not on the allow-list)", watched))
	}
	if e.cfg.Mode == alerting.Off {
		return orFine(findings, "REMEDIATION_MODE=off")
	}
	engine, err := docker.Open(e.cfg.DockerHost)
	if err != nil {
		return findings // told by the check of Docker
	}
	defer engine.Close()
	for _, name := range e.cfg.Containers {
		c, err := engine.Inspect(ctx, name)
		switch {
		case err != nil:
			return append(findings, doctor.Good("Docker 可用后再检查 (needs Docker)"))
		case c == nil:
			findings = append(findings, warned("核对 docker ps -a 中的名称，须完全一致；改正 REMEDIATION_CONTAINERS 或 container_name (compare with docker ps -a: the whole name; correct REMEDIATION_CONTAINERS or container_name)", "没有名为 %s 的容器，无法重启它 (there is no container of this name)", name))
		case c.Self:
			findings = append(findings, failed("从 REMEDIATION_CONTAINERS 中去掉它 (remove it from the list)", "%s 是 Trade Monitor 自己，绝不会重启 (is Trade Monitor itself and is never restarted)", name))
		}
	}
	return orFine(findings, "%d 个，都存在 (all there)", len(e.cfg.Containers))
}

// leastSpace is how little room is worth a warning, in bytes.
const leastSpace = 100 << 20

func (e *examination) folders(context.Context) []doctor.Finding {
	dirs := map[string]string{"LOG_DIR": e.cfg.LogDir}
	if !e.cfg.MySQL.Configured() {
		dirs["DATA_DIR"] = e.cfg.DataDir
	}
	var findings []doctor.Finding
	for _, name := range []string{"DATA_DIR", "LOG_DIR"} {
		if dir, used := dirs[name]; used {
			findings = append(findings, folder(name, dir)...)
		}
	}
	return orFine(findings, "可写 (can be written to)")
}

func folder(name, dir string) []doctor.Finding {
	there := existing(dir)
	probe, err := os.CreateTemp(there, ".doctor-*")
	if err != nil {
		return []doctor.Finding{failed(fmt.Sprintf("把目录交给运行用户：chown -R %d:%d %s (give the folder to the user who runs the service)", os.Getuid(), os.Getgid(), dir), "%s %s 无法写入 (cannot be written to): %v", name, dir, errors.Unwrap(err))}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	if free, known := freeSpace(there); known && free < leastSpace {
		return []doctor.Finding{failed("清理磁盘，或把目录移到更大的盘 (free some room, or move the folder)", "%s %s 只剩 %d MiB (is all that is left)", name, dir, free>>20)}
	}
	return nil
}

// existing is the folder, or the nearest one above it that is there: the start
// makes the rest.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func (e *examination) port(ctx context.Context) []doctor.Finding {
	address := net.JoinHostPort(e.cfg.ListenHost, strconv.Itoa(e.cfg.Port))
	if e.cfg.Port == 0 {
		return []doctor.Finding{doctor.Good("任意空闲端口 (any free port)")}
	}
	listener, err := net.Listen("tcp", address)
	if err == nil {
		_ = listener.Close()
		return []doctor.Finding{doctor.Good("%s 空闲，服务未运行 (free; the service does not run)", address)}
	}
	service := ourService(e.cfg)
	if alive := service.alive(ctx); alive == nil {
		return []doctor.Finding{doctor.Good("%s 服务正在运行 (the service runs)", address)}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return []doctor.Finding{failed("停止占用者（ss -ltnp 可查），或更换 PORT (end what holds it, see ss -ltnp, or change PORT)", "%s 被其他程序占用，或服务没有应答 (held by another program, or the service does not answer)", address)}
	}
	return []doctor.Finding{failed("更换 PORT 或 LISTEN_HOST；1024 以下的端口需要 root (change PORT or LISTEN_HOST; ports below 1024 need root)", "%s 无法监听 (cannot be listened on): %v", address, errors.Unwrap(err))}
}

// renewBefore is when a certificate should be renewed at the latest.
const renewBefore = 14 * 24 * time.Hour

func (e *examination) certificates(context.Context) []doctor.Finding {
	count, of := publicRoots()
	findings := []doctor.Finding{doctor.Good("内置公共根证书 %d 个，%s (embedded public roots)", count, of.Format(time.DateOnly))}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		if err := holdsRoot(file); err != nil {
			findings = append(findings, failed("改正 SSL_CERT_FILE，或去掉它 (correct SSL_CERT_FILE, or remove it)", "SSL_CERT_FILE: %v", err))
		}
	}
	if !e.cfg.TLS.Configured() {
		return findings
	}
	c := &certificate{files: e.cfg.TLS, now: time.Now}
	if err := c.read(); err != nil {
		return append(findings, failed("改正 TLS_CERT_FILE、TLS_KEY_FILE；容器中须挂载进去 (correct them; in a container mount the files)", "https 证书无法使用 (the certificate cannot be used): %v", err))
	}
	switch left := time.Until(c.current.Leaf.NotAfter); {
	case left < 0:
		findings = append(findings, failed("更换证书文件，无需重启 (replace the files; no restart is needed)", "%s", c.inForce()))
	case left < renewBefore:
		findings = append(findings, warned("更换证书文件，无需重启 (replace the files; no restart is needed)", "%s", c.inForce()))
	}
	return findings
}
