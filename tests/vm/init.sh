#!/bin/busybox sh
# Process 1 of the guest, in the initrd: mounts the machine's own root below a tmpfs, and switches to it.
# /settings has MODULES (files, in order), MODULES_DIR, SHARES (tag:folder, writable).

export PATH=/bin
busybox mount -t proc none /proc
busybox --install /bin

stop() {
	echo "init: $*" >/dev/console
	poweroff -f
}

mount -t sysfs none /sys
mount -t devtmpfs none /dev
. /settings
for module in $MODULES; do
	insmod "/modules/$module" || stop "insmod $module"
done

# What the guest writes is lost when it ends, except in the shares.
mount -t virtiofs -o ro root /machine || stop "no root"
mount -t tmpfs -o size=75% none /written
mkdir /written/upper /written/work
mount -t overlay -o lowerdir=/machine,upperdir=/written/upper,workdir=/written/work none /new || stop "no overlay"

for folder in proc sys dev; do
	mount --move "/$folder" "/new/$folder"
done
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts none /new/dev/pts
mount -t tmpfs none /new/dev/shm
ln -s /proc/self/fd /new/dev/fd
ln -s /proc/self/fd/0 /new/dev/stdin
ln -s /proc/self/fd/1 /new/dev/stdout
ln -s /proc/self/fd/2 /new/dev/stderr
mount -t tmpfs none /new/run
mount -t cgroup2 none /new/sys/fs/cgroup
mount -t bpf none /new/sys/fs/bpf
mount -t debugfs none /new/sys/kernel/debug
mount -t tracefs none /new/sys/kernel/tracing

release=$(uname -r)
mkdir -p /new/lib/modules
rm -rf "/new/lib/modules/$release"
ln -s "$MODULES_DIR" "/new/lib/modules/$release"
for share in $SHARES; do
	mkdir -p "/new/${share#*:}"
	mount -t virtiofs "${share%%:*}" "/new/${share#*:}" || stop "no share ${share%%:*}"
done
hostname guest
ip link set lo up

exec switch_root /new /bin/sh /run/guest/command
