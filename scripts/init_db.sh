#!/usr/bin/env bash
# 创建或升级数据库表，验证，并在没有群时添加默认告警群。可以重复运行。
# 配置取自仓库根目录的 .env；已导出的环境变量（如 MYSQL_HOST）优先。没有 MYSQL_HOST 时初始化内置数据库。
# Creates or migrates the tables, verifies them, and adds the default group where there is none; may be run again.
# Settings come from .env in the repository's root; exported variables such as MYSQL_HOST win. Without MYSQL_HOST it
# is the embedded database.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

# The program where it was built, else the image, which compose builds when it
# is missing.
if [ -x bin/trade-monitor ]; then
  exec bin/trade-monitor init-db "$@"
fi
if command -v docker-compose >/dev/null 2>&1; then
  compose=(docker-compose)
elif docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
else
  say "需要 bin/trade-monitor（make build，需要 Go），或者 docker-compose 1.29 / docker compose v2
(needed: bin/trade-monitor, by make build with Go, or docker-compose 1.29 or docker compose v2)"
  exit 1
fi
say "在容器中运行，首次会构建镜像 (running in a container; the first time builds the image)"
exec "${compose[@]}" run --rm -T --no-deps trade-monitor init-db "$@"
