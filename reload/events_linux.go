package reload

import "golang.org/x/sys/unix"

// withoutEvents tells whether a folder lies on a file system where others may
// write without this machine's hearing of it: shares of another machine or of
// the host of a virtual one.
func withoutEvents(dir string) bool {
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
