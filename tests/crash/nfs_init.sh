#!/bin/sh
# The first program of a User Mode Linux: it exports a file system by NFS, mounts it, and has two
# hosts, each behind a network of its own, play the soak on it. Started by tests/crash/nfs.py.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t proc proc /proc
mount -t sysfs sys /sys
for directory in /run /mnt /var/lib/nfs; do mount -t tmpfs tmpfs $directory; done
mkdir -p /mnt/out /mnt/home /mnt/modules/lib /mnt/nfs /mnt/export /run/netns
mkdir -p /var/lib/nfs/v4recovery /var/lib/nfs/rpc_pipefs
mount -t hostfs hostfs /mnt/out -o "$SOAK_HOME"
exec > /mnt/out/console 2>&1
ln -s /usr/lib/uml/modules /mnt/modules/lib/modules
for module in nfsd nfsv4 veth; do modprobe -d /mnt/modules $module; done

mount -t ext4 /dev/ubda /mnt/export
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t nfsd nfsd /proc/fs/nfsd
exportfs -o rw,sync,no_root_squash,insecure,fsid=0,no_subtree_check '*:/mnt/export'
rpc.mountd --no-udp --no-nfs-version 2 --no-nfs-version 3 --foreground &
rpc.nfsd --no-nfs-version 3 --nfs-version 4.2 8

ip link set lo up
ip address add 10.9.9.9/32 dev lo
number=0
for host in one two; do
	number=$((number + 1))
	ip netns add $host
	ip link add to-$host type veth peer name eth0 netns $host
	ip address add 10.9.$number.1/24 dev to-$host
	ip link set to-$host up
	ip -n $host link set lo up
	ip -n $host address add 10.9.$number.2/24 dev eth0
	ip -n $host link set eth0 up
	ip -n $host route add default via 10.9.$number.1
done
mount="mount -t nfs4 -o ${SOAK_NFS:-vers=4.2} 10.9.9.9:/ /mnt/nfs"
$mount
grep ' nfs4 ' /proc/mounts
mkdir -m 755 /mnt/nfs/soak

cd "$SOAK_TREE" || exit 1
export TMPDIR=/mnt/home XDG_STATE_HOME=/mnt/state PYTHONDONTWRITEBYTECODE=1 HOME=/mnt/home
# shellcheck disable=SC2046
"$SOAK_PYTHON" -m tests.crash.hosts --at /mnt/nfs/soak \
	--enter "ip netns exec {host}" --mount "$mount" $(cat /mnt/out/arguments)
code=$?
cp -r /mnt/home /mnt/out/evidence
echo $code > /mnt/out/code
sync
echo o > /proc/sysrq-trigger
sleep 60
