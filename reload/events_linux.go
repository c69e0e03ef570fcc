package reload

import "golang.org/x/sys/unix"

// lacksEvents reports whether a folder is on a file system that other machines
// may write to without an event on this one: a network share, or a folder shared
// with the host of a virtual machine.
func lacksEvents(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	switch uint32(fs.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
		unix.V9FS_MAGIC, unix.FUSE_SUPER_MAGIC, vboxShare:
		return true
	}
	return false
}

// vboxShare is a shared folder of VirtualBox.
const vboxShare = 0x786f4256
