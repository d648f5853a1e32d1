/* The few fields of the kernel's structures that the programs read. Offsets are not taken from here: the loader moves
 * every access to where the running kernel's type information (BTF) says that the field is. */
#ifndef PROVOST_KERNEL_H
#define PROVOST_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r10, r9, r8, dx, si, di, orig_ax;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	__u16 i_mode;
	unsigned int i_nlink;
	struct super_block *i_sb;
	unsigned long i_ino;
	long long i_size;
	long long i_ctime_sec;
	__u32 i_ctime_nsec;
};

struct file {
	unsigned int f_mode;
	unsigned int f_flags;
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path pwd;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	unsigned int flags;
	int group_exit_code;
};

struct mm_struct {
	struct file *exe_file;
	unsigned long arg_start, arg_end;
};

struct thread_info {
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	int pid, tgid;
	int exit_code;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
};

struct linux_binprm {
	const char *filename;
	const char *interp;
};

struct in6 {
	__u8 bytes[16];
};

struct sock_common {
	unsigned short skc_family;
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	struct in6 skc_v6_daddr;
	struct in6 skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	struct pid *sk_peer_pid;
};

struct socket {
	struct sock *sk;
};

struct unix_address {
	int len;
};

struct unix_sock {
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
};

#pragma clang attribute pop

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AT_FDCWD -100

#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* linux/fs.h */
#define FMODE_WRITE (1 << 1)
#define FMODE_PATH (1 << 14)
#define FMODE_CREATED (1 << 20)
#define O_TRUNC 01000

/* A call by the 32-bit entry (asm/thread_info.h), and the bit of the x32 entry's numbers. */
#define TS_COMPAT 2
#define X32 0x40000000

/* linux/sched/signal.h: the whole group ends with one status. */
#define SIGNAL_GROUP_EXIT 4

#endif
