# docker build -t trade-monitor .
#
# 国内网络常连不上 Docker Hub 和默认的 Go 代理，可以换成镜像源：
# Where Docker Hub or Go's own proxy is out of reach, name others:
#   docker build -t trade-monitor --build-arg BASE=<registry>/golang:1.26-bookworm \
#     --build-arg GOPROXY=https://goproxy.cn,direct .
#
# 不使用 BuildKit 专有语法；amd64 和 arm64 均可。
# No syntax that needs BuildKit; amd64 and arm64.
ARG BASE=golang:1.26-bookworm
FROM ${BASE} AS build
ARG GOPROXY
ENV CGO_ENABLED=0
WORKDIR /src

# The libraries that take longest are a layer of their own: after a change of
# our sources only those are compiled again.
COPY go.mod go.sum ./
RUN go build -trimpath modernc.org/sqlite github.com/docker/docker/client github.com/go-sql-driver/mysql

COPY . .
ARG VERSION
RUN go build -trimpath -buildvcs=false -ldflags "-s -w -X main.release=${VERSION}" -o /image/bin/trade-monitor ./local \
 && ln -s trade-monitor /image/bin/tail \
 && mkdir -p /image/tmp /folders/data /folders/logs \
 && chmod 1777 /image/tmp

# 镜像里只有一个静态程序：CA 根证书和时区数据都在程序里，tail 是它的另一个名字。
# Nothing but one static program: the CA roots and the time zones are in it, and
# tail is its other name.
FROM scratch
COPY --from=build /image/ /
WORKDIR /app
# A new named volume takes its owner from here; a folder of the host is handed
# over at the start.
COPY --from=build --chown=10001:10001 /folders/ /app/
# The start needs root for two things: to hand the folders over and to take the
# group of the mounted Docker socket. Then the program becomes this user.
ENV RUN_AS=10001:10001 \
    LISTEN_HOST=0.0.0.0 \
    PROXY_LISTEN=0.0.0.0:2375
VOLUME ["/app/data", "/app/logs"]
EXPOSE 5005
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/bin/trade-monitor", "healthcheck"]
ENTRYPOINT ["/bin/trade-monitor"]
