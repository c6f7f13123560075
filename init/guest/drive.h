/* A disk or a CD that the guest has beside the disk that it starts from. */
#pragma once

#include "init/guest/disk.h"

/* Target names have one letter, and the guest's own disk has one of them. */
#define DRIVES_MAX 25

struct drive {
	struct disk disk; /* a CD is raw and alone */
	bool cdrom;
	bool readonly; /* a CD always is */
	/*
	 * When the firmware tries it, from 2 on: 1 is the guest's own disk. 0: never.
	 */
	unsigned boot;
};
