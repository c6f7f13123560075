/*
 * The mark that a disk is being installed: a file beside it, made before the disk is and removed
 * when what was installed answers.
 *
 * The mark names the disk's inode. So one that was left behind says nothing about another disk,
 * which an answer file would otherwise wipe.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/** install_mark_write() - Mark @disk, which is going to be inode @inode. Return: 0 or -errno. */
int install_mark_write(const char *disk, ino_t inode);

/** install_mark_holds() - Is there a @disk, and is it the one that was marked? */
bool install_mark_holds(const char *disk);

/** install_mark_remove() - Return: 0, also when there was none, or -errno. */
int install_mark_remove(const char *disk);

/** install_answers_path() - Of the CD with the answers; allocated, NULL: out of memory. */
char *install_answers_path(const char *disk);
