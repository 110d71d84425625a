# The image of a worker: the two programs, the libraries they load, and nothing else; no shell.
#
#   docker build -t millrace .        podman and buildah take it as it is
#
# BASE may be any Debian 12 with apt; a release pins it by digest.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY run ./
# What `./run build` needs is said there once.
RUN sed -n '/^BUILD_PACKAGES=(/,/)/p' run | tr -d '()' | sed 's/BUILD_PACKAGES=//' >/packages \
 && apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      $(cat /packages) ca-certificates libsasl2-modules \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release && cmake --build --preset release \
 && DESTDIR=/built cmake --install build --prefix /usr --strip \
 && cmake/image_root.sh /built /image

FROM scratch
COPY --from=build /image/ /
LABEL org.opencontainers.image.title="millrace" \
      org.opencontainers.image.description="Uploaded documents become searchable vectors" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later"
# nobody's in particular: the chart and the unit use the same number.
USER 65532:65532
ENV LC_ALL=C.UTF-8
EXPOSE 9464
ENTRYPOINT ["/usr/bin/millrace"]
CMD ["work"]
