# Build: docker build --build-arg VERSION=v1.2.3 -t asgibox .
# Run:   docker run -p 8000:8000 -v "$PWD:/app" asgibox
FROM golang:1.26 AS build
ARG VERSION=v0.0.0-snapshot
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X asgibox/internal/command.release=$VERSION" -o /asgibox .

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /asgibox /usr/local/bin/asgibox
WORKDIR /app
EXPOSE 8000
ENTRYPOINT ["asgibox"]
CMD ["run", "--bind", "0.0.0.0", "--control", "off"]
