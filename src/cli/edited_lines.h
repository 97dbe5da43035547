// Lines typed at a terminal, with editing and a history that outlives the program.
#pragma once

#include <histedit.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cli/line_reader.h"

namespace sluice {

// Where the history lies: in $XDG_STATE_HOME/sluice or ~/.local/state/sluice; empty when neither can be told.
std::filesystem::path history_path();

// libedit, with our own waiting, so that Ctrl-C is a value here too. Honours ~/.editrc.
class EditedLines : public LineReader {
 public:
  // Null when the terminal cannot be set up. The history is read if it can be; nothing about it is an error.
  static std::unique_ptr<EditedLines> open(std::FILE* screen, const Interrupts& interrupts);
  ~EditedLines() override;
  EditedLines(const EditedLines&) = delete;
  EditedLines& operator=(const EditedLines&) = delete;

  Result<TypedLine> read(std::string_view prompt) override;

 private:
  explicit EditedLines(const Interrupts& interrupts) : interrupts_(interrupts) {}
  bool set_up(std::FILE* screen);
  void remember(const std::string& line);
  int next_character(wchar_t* character);

  const Interrupts& interrupts_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string history_file_;
  std::string prompt_;
  bool interrupted_ = false;
  std::string typed_before_interrupt_;
};

}  // namespace sluice
