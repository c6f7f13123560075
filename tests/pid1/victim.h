/* What the parts of the victim share: victim.c runs commands, victim_talk.c talks to PID 1 and
 * shows what it has, victim_table.c shows it forwards. */
#pragma once

/** say() - One line on stdout. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** fail() - Say what went wrong, with errno, and exit. */
__attribute__((noreturn)) void fail(const char *what);

/** number() - An argument as a number, or the end. */
int number(const char *text);

void sleep_ms(int ms);

/** run_commands() - Everything up to the end or `--`. */
void run_commands(char **arguments);

struct msghdr;

/** send_message() - To PID 1's socket. */
void send_message(struct msghdr *message);

/* Commands; each gets its arguments. */
void do_show(char **arguments);
void do_ready(char **arguments);
void do_notify(char **arguments);
void do_notify_size(char **arguments);
void do_notify_fds(char **arguments);
void do_notify_from_child(char **arguments);
void do_feed(char **arguments);
void do_babble(char **arguments);
void do_table(char **arguments);
void do_table_from_child(char **arguments);
void do_count(char **arguments);
void do_pass(char **arguments);
