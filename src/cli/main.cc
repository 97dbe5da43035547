#include "cli/program.h"

int main(int argument_count, char** arguments) {
  sluice::Console console;
  return static_cast<int>(sluice::run_program(argument_count, arguments, console));
}
