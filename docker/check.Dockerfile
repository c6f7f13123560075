# What builds and tests casement on Debian 13, with both compilers. It never gets into the image; scripts/test runs it with the
# source tree mounted at /src, read-only, and counts the lines that it prints.
FROM casement-test-toolchain
RUN apt-get -q update \
	&& DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends clang libxml2-utils ovmf qemu-utils \
	&& useradd --system libvirt-qemu \
	&& rm -rf /var/lib/apt/lists/*
CMD ["/src/scripts/check-build"]
