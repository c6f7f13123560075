/*
 * casement-first: blocks all signals, and becomes casement, which inherits that.
 *
 * PID 1 has no default actions: a SIGTERM that comes before it has blocked the signal is lost.
 * casement's main() blocks it first, but before main() the dynamic loader maps libraries, which the
 * disk may have to fetch, and libc asks the processor what it can, which each time is an exit to the
 * hypervisor in a virtual machine. This has neither loader nor libc: six instructions after its exec
 * no signal is lost.
 */
#include <sys/syscall.h>

#define SIG_SETMASK 2
#define SIGSET_SIZE 8 /* the kernel's, not libc's */

	.globl	_start
_start:	/* The stack is argc, argv, NULL, environment. */
	mov	$SYS_rt_sigprocmask, %eax
	mov	$SIG_SETMASK, %edi
	lea	all(%rip), %rsi
	xor	%edx, %edx
	mov	$SIGSET_SIZE, %r10d
	syscall

	mov	(%rsp), %rcx
	lea	program(%rip), %rdi
	mov	%rdi, 8(%rsp)
	lea	8(%rsp), %rsi
	lea	16(%rsp, %rcx, 8), %rdx
	mov	$SYS_execve, %eax
	syscall

	mov	$127, %edi
	mov	$SYS_exit, %eax
	syscall

	.section .rodata
all:	.quad	-1
program: .asciz	CASEMENT

	.section .note.GNU-stack, "", @progbits
