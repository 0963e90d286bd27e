/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: the dispatcher, --help, the manual page and completion derive from it.
 *
 * TYPE in a name stands for any type of record. The arguments are read as they stand here
 * (arguments.h).
 */
#ifndef KITH_CLIENT_CLI_COMMANDS_H
#define KITH_CLIENT_CLI_COMMANDS_H

#include "client/cli/arguments.h"
#include "client/cli/cli.h"

/* X(group, name, arguments, one sentence, function) */
#define COMMANDS(X)                                                                                \
    X("Agency", "found", "CODE --agency NAME --person NAME [--volunteers]",                        \
      "Make your agency on a new hub, with this device as its first", agency_found)                \
    X("Agency", "join", "CODE [--device-name NAME]", "Enrol this device with an invitation",       \
      agency_join)                                                                                 \
    X("Agency", "invite", "--person NAME --role ROLE [--supervisor PERSON] [--expires 7d] [--qr]", \
      "Make a code with which somebody can join", agency_invite)                                   \
    X("Agency", "practice", "[--person NAME]",                                                     \
      "Make a home with made-up people to practise in, apart from yours", practice_make)           \
    X("Agency", "sheet", "[--qr]", "Make a new recovery sheet; the old one is void",               \
      recovery_sheet)                                                                              \
    X("Agency", "recover", "CODE [--hub HOST:PORT|wss://HOST] [--device-name NAME] [--qr]",        \
      "Restore an agency with its recovery sheet", recovery_recover)                               \
    X("Agency", "recovery answer", "FILE --check NUMBER --to-file FILE [--force]",                 \
      "As custodian, open the home of somebody who forgot the passphrase", recovery_answer)        \
    X("Agency", "person list", "", "Who works here", agency_person_list)                           \
    X("Agency", "device list", "", "Whose devices there are", agency_device_list)                  \
    X("Agency", "grant", "PARTICIPANT PERSON", "Let somebody read and write a chart",              \
      agency_grant)                                                                                \
    X("Agency", "withdraw", "PARTICIPANT PERSON [--transferred] [--retired] [--revoked]",          \
      "Take somebody out of a chart and change its key", leaving_withdraw)                         \
    X("Agency", "circle show", "PARTICIPANT", "Who may read a chart, and who once could",          \
      agency_circle_show)                                                                          \
    X("Agency", "device retire", "N", "End the device of somebody who has left", leaving_retire)   \
    X("Agency", "device revoke", "N --reason TEXT", "End a device that is lost or stolen",         \
      leaving_revoke)                                                                              \
    X("Agency", "device transfer", "N", "End a device whose work was handed over",                 \
      leaving_transfer)                                                                            \
    X("Agency", "held list", "", "What devices that left had not sent", held_list)                 \
    X("Agency", "held show", "ID", "What one of these says", held_show)                            \
    X("Agency", "held admit", "ID", "Let it count, and what that device wrote before it",          \
      held_admit)                                                                                  \
    X("Agency", "held reject", "ID --reason TEXT", "Keep it out, and what came after it",          \
      held_reject)                                                                                 \
    X("Records", "TYPE add", "[FIELD=VALUE...]", "Write a new record", record_add)                 \
    X("Records", "TYPE list", "[--participant PERSON] [--since TIME] [--state STATE]",             \
      "The records of a type, the newest last", record_list)                                       \
    X("Records", "TYPE show", "ID", "One record, with whatever waits for a decision", record_show) \
    X("Records", "TYPE edit", "ID [FIELD=VALUE...]", "Change a record", record_edit)               \
    X("Records", "TYPE history", "ID", "Everything ever written to a record", record_history)      \
    X("Records", "visit check", "ID", "What a visit still lacks before it can be signed",          \
      visit_check)                                                                                 \
    X("Records", "visit sign", "ID [--clock-ok]", "Sign your visit: what it says then stays",      \
      visit_sign)                                                                                  \
    X("Records", "visit submit", "ID", "Hand a signed visit to your supervisor", visit_submit)     \
    X("Records", "visit cosign", "ID [--hash HASH]", "Co-sign the version that you have read",     \
      visit_cosign)                                                                                \
    X("Records", "visit return", "ID --reason TEXT", "Give a submitted visit back to its author",  \
      visit_return)                                                                                \
    X("Records", "visit void", "ID --reason TEXT", "Void a visit; nothing of it is deleted",       \
      visit_void)                                                                                  \
    X("Records", "visit addend", "ID --kind KIND [TEXT] [FIELD=VALUE...] [--take-late]",           \
      "Add an addendum, correction or late_entry to a signed visit", visit_addend)                 \
    X("Records", "search", "WORD...", "The records in which all the words stand", overview_search) \
    X("Records", "tasks", "", "What waits for you, the most urgent first", overview_tasks)         \
    X("Records", "caseload", "", "The people you work with", overview_caseload)                    \
    X("Records", "units", "--from DATE --to DATE",                                                 \
      "Minutes and units of visits, and which of them count", overview_units)                      \
    X("Records", "report productivity", "--from DATE --to DATE",                                   \
      "Visits, people, minutes and units of each worker, and why some do not count",               \
      report_productivity)                                                                         \
    X("Records", "report goals", "--from DATE --to DATE [--participant PERSON]",                   \
      "How goals go, by what signed notes say", report_goals)                                      \
    X("Records", "report training", "", "Training and supervision against what is asked",          \
      report_training)                                                                             \
    X("Records", "report ledger", "[--on DATE]",                                                   \
      "Your own hours and earnings against your limits: nobody else reads them", report_ledger)    \
    X("Records", "export billing",                                                                 \
      "--from DATE --to DATE --to-file FILE [--participant PERSON] [--again]",                     \
      "Write what can be billed, and what changed since, as a CSV file", export_billing)           \
    X("Records", "export chart",                                                                   \
      "--participant PERSON --to-file FILE [--from DATE] [--to DATE] [--for RECIPIENT] "           \
      "[--purpose PURPOSE]",                                                                       \
      "Write one person's record as a page to read or print; a name ending in .pdf makes a PDF",   \
      export_chart)                                                                                \
    X("Records", "export fhir",                                                                    \
      "--from DATE --to DATE --to-file FILE [--participant PERSON] [--for RECIPIENT] "             \
      "[--purpose PURPOSE]",                                                                       \
      "Write signed visits and their charts as a FHIR R4 bundle", export_fhir)                     \
    X("Records", "schema", "[--markdown]", "The types of records and their fields", schema_list)   \
    X("Records", "conflicts", "", "All that waits for a decision", conflict_list)                  \
    X("Records", "settle", "ID FIELD [VALUE] [--take DEVICE-OR-INDEX]",                            \
      "Decide between the versions of a field, or write the right one", conflict_settle)           \
    X("Sync", "sync", "[--brief] [--hub HOST:PORT|wss://HOST]",                                    \
      "Send what is new here, and get what is new elsewhere; --brief: what one request carries; "  \
      "--hub: where the hub is from now on",                                                       \
      sync_run)                                                                                    \
    X("Sync", "status", "", "What is saved where", sync_status)                                    \
    X("Sync", "verify", "[--state]",                                                               \
      "Check every page, row, hash, chain and signature of this home; --state: one number a "      \
      "circle, to compare homes by",                                                               \
      home_verify)                                                                                 \
    X("Sync", "access", "", "What was opened, listed and exported on this device", home_access)    \
    X("Sync", "bundle write", "FILE [--for PERSON]",                                               \
      "Write what is new here into a file, for the hub or for somebody", bundle_write)             \
    X("Sync", "bundle read", "FILE", "Take in the hub's answer, or what somebody gave you",        \
      bundle_read)                                                                                 \
    X("Sync", "agent stop", "", "End the agent", agent_stop)                                       \
    X("Sync", "agent", "[--foreground] [--metered] [--minutes N]",                                 \
      "Keep in step with the hub in the background", agent_start)                                  \
    X("Sync", "unlock", "[--minutes N]", "Keep this home open for a while (15 minutes)",           \
      sync_unlock)                                                                                 \
    X("Sync", "lock", "", "Close this home at once", sync_lock)                                    \
    X("Sync", "passphrase", "[--new-passphrase-file FILE]", "Change the passphrase",               \
      sync_passphrase)                                                                             \
    X("Sync", "forgot", "[--to-file FILE] [--answer FILE] [--new-passphrase-file FILE]",           \
      "Ask a custodian for a way back into this home, and take the answer", recovery_forgot)

/* X(option, value, one sentence): what is said before or after any command. */
#define COMMON_OPTIONS(X)                                                                          \
    X("--home", "DIR", "where your records are (else $KITH_HOME)")                                 \
    X("--json", "", "one JSON document on standard output")                                        \
    X("--passphrase-file", "FILE", "the passphrase is its first line")                             \
    X("--help", "", "about kith, or about the command")                                            \
    X("--version", "", "which version this is")

#define COMMANDS_ABOUT                                                                             \
    "kith keeps visits, notes and plans on this device, encrypted, and shares them\n"              \
    "with your agency's hub whenever there is a network.\n"
#define COMMANDS_FIELDS                                                                            \
    "FIELD=VALUE sets, FIELD=- reads standard input, FIELD=@FILE a file;\n"                        \
    "FIELD+=V adds to a list, FIELD-=V takes from it. Without any, your editor opens.\n"

typedef enum exit_code command_run(struct cli *cli, const struct arguments *arguments);

#define COMMAND_FUNCTION(group, name, arguments, help, function) command_run function;
COMMANDS(COMMAND_FUNCTION)
#undef COMMAND_FUNCTION

#endif
