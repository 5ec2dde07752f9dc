/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plain main() for a fuzz harness: runs it once over every file named, or
 * found in the folders named. So every build, also without libFuzzer, checks
 * that old findings stay fixed. Findings abort, as under libFuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t size;

	data = malloc(INPUT_MAX_BYTES);
	if (!file || !data) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size = fread(data, 1, INPUT_MAX_BYTES, file);
	fclose(file);
	/* Exactly as long as the input, so that a sanitizer sees a byte more. */
	exact = realloc(data, size ? size : 1);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

static unsigned int replay_folder(const char *path)
{
	char name[4096];
	struct dirent **entry;
	unsigned int n = 0;
	int n_entries = scandir(path, &entry, NULL, alphasort);

	for (int i = 0; i < n_entries; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.')
			n += replay_file(name);
		free(entry[i]);
	}
	if (n_entries >= 0)
		free(entry);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int n = 0;
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			n += replay_folder(argv[i]);
		else
			n += replay_file(argv[i]);
	}
	printf("%u inputs\n", n);
	return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
