#include "image/answer_cd.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>

#define NAME "autounattend.xml"
#define OPTIONS "iso9660:volume-id=ANSWERS,joliet=long"

static int write_file(struct archive *cd, const char *answers, size_t size)
{
	struct archive_entry *entry = archive_entry_new();
	int result = ARCHIVE_FATAL;

	if (!entry)
		return result;
	archive_entry_set_pathname(entry, NAME);
	archive_entry_set_filetype(entry, S_IFREG);
	archive_entry_set_perm(entry, 0444);
	archive_entry_set_size(entry, (la_int64_t)size);
	result = archive_write_header(cd, entry);
	archive_entry_free(entry);
	if (result != ARCHIVE_OK)
		return result;
	return archive_write_data(cd, answers, size) == (la_ssize_t)size ? ARCHIVE_OK
									 : ARCHIVE_FATAL;
}

int answer_cd_write(int fd, const char *answers, size_t size)
{
	struct archive *cd = archive_write_new();
	int result = -EIO;

	if (!cd)
		return -ENOMEM;
	if (archive_write_set_format_iso9660(cd) == ARCHIVE_OK &&
	    archive_write_set_options(cd, OPTIONS) == ARCHIVE_OK &&
	    archive_write_open_fd(cd, fd) == ARCHIVE_OK &&
	    write_file(cd, answers, size) == ARCHIVE_OK && archive_write_close(cd) == ARCHIVE_OK)
		result = 0;
	else if (archive_errno(cd) > 0)
		result = -archive_errno(cd);
	archive_write_free(cd);
	return result;
}
