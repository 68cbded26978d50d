// Exceptions to text and exit codes.
#include "src/core/tool.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/log_sink.hpp"
#include "src/core/build_info.hpp"
#include "src/core/internal/help_form.hpp"
#include "src/core/internal/logger.hpp"
#include "src/core/nearest.hpp"
#include "src/core/system_error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace anemll {
namespace {

Error out_of_memory() {
  return Error(ExitCode::data, "out of memory", "",
               "use a smaller batch, fewer ranks on this machine, or more memory");
}

Error out_of_gpu_memory() {
  return Error(ExitCode::data, "the GPU is out of memory", "",
               "use a smaller batch (in a training --batch-size with --accumulation-steps, "
               "--gradient-checkpointing), end other programs there (nvidia-smi), or --device cpu");
}

Error bug(const std::string& what) {
  const BuildInfo& b = build_info();
  return Error(ExitCode::unexpected, "unexpected: " + what, "",
               "please report this with the command line and this build: " + b.version + ", git " + b.git +
                   ", " + b.compiler + ", libtorch " + b.libtorch);
}

/// A closed standard stream would be the number of the next file that is opened, and logs would go into it.
/// What is written to it still fails.
void occupy_closed_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) ::open("/dev/null", O_RDONLY);  // the lowest number that is free
  }
}

/// Written by the launchers that start several processes: Open MPI, the others, a step of Slurm.
constexpr const char* kSizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

std::string help_of_commands(const std::string& program, const std::string& usage,
                             std::span<const Command> commands, HelpForm form) {
  switch (form) {
    case HelpForm::markdown:
      return "# " + program + "\n\n```\n" + usage + "```\n\n";
    case HelpForm::json: {
      nlohmann::ordered_json object = {
          {"program", program}, {"usage", usage}, {"commands", nlohmann::ordered_json::array()}};
      for (const Command& command : commands) object["commands"].push_back(command.name);
      return object.dump() + "\n";
    }
    case HelpForm::text:
      break;
  }
  return usage;
}

/// Each command prints its own table.
void help_of_each(std::span<const Command> commands, HelpForm form) {
  std::string help = "--help=" + choice_name(form);
  for (const Command& command : commands) {
    std::string name = command.name;
    char* words[] = {name.data(), help.data(), nullptr};
    command.run(2, words);
    if (form == HelpForm::markdown && &command != &commands.back()) std::fputs("\n", stdout);
  }
}

void require_written_stdout() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw_data("cannot write", "stdout", "check the disk space");
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::filesystem::filesystem_error& e) {
    return Error(ExitCode::data, e.code().message(), e.path1().string(),
                 hint_of(e.code(), "check that the path exists and is reachable"));
  } catch (const std::exception& e) {
    // LibTorch's allocators throw exception types of their own.
    if (std::strstr(e.what(), "CUDA out of memory") != nullptr ||
        std::strstr(e.what(), "CUDA error: out of memory") != nullptr) {
      return out_of_gpu_memory();
    }
    if (std::strstr(e.what(), "not enough memory") != nullptr ||
        std::strstr(e.what(), "can't allocate memory") != nullptr) {
      return out_of_memory();
    }
    return bug(e.what());
  } catch (...) {
    return bug("an exception of unknown type");
  }
}

int report_error(const Error& error) {
  std::string text = (error.code() == ExitCode::save_and_requeue ? "stopped: " : "error: ") + error.problem();
  if (!error.where().empty()) text += "\n  where: " + error.where();
  if (!error.hint().empty()) text += "\n  hint: " + error.hint();
  Logger::instance().plain(text);
  return static_cast<int>(error.code());
}

int run_tool(const std::function<int()>& body) {
  occupy_closed_streams();
  log_to_stderr();
  try {
    return body();
  } catch (...) {
    return report_error(current_error());
  }
}

void require_one_process(const std::string& program) {
  for (const char* name : kSizes) {
    const char* text = std::getenv(name);
    const long size = text != nullptr ? std::strtol(text, nullptr, 10) : 0;
    if (size > 1)
      throw_usage(strf("%s works in one process, and %ld were started", program.c_str(), size),
                  strf("%s=%s", name, text), "start it without mpirun or srun");
    if (size == 1) return;
  }
}

void print_result(const std::string& text) {
  const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) throw_data("cannot write", "stdout", "check the disk space");
}

int run_command(const std::string& program, const std::string& usage, std::span<const Command> commands,
                int argc, char** argv) {
  prepare_signals(ProgramKind::filter);
  const std::string name = argc > 1 ? argv[1] : "";
  std::vector<std::string> known;
  for (const Command& command : commands) {
    if (name == command.name) {
      prepare_signals(command.kind);
      require_one_process(program);
      const int code = command.run(argc - 1, argv + 1);
      if (command.kind == ProgramKind::filter) require_written_stdout();
      return code;
    }
    known.push_back(command.name);
  }
  if (const auto form = name == "help" ? HelpForm::text : help_form({name})) {
    std::fputs(help_of_commands(program, usage, commands, *form).c_str(), stdout);
    std::fflush(stdout);
    if (*form != HelpForm::text) help_of_each(commands, *form);
    require_written_stdout();
    return 0;
  }
  if (name == "--version") {
    std::printf("%s\n", build_summary(program).c_str());
    require_written_stdout();
    return 0;
  }
  std::string names;
  for (const std::string& one : known) names += (names.empty() ? "" : ", ") + one;
  throw_usage(name.empty() ? "no command given" : "unknown command '" + name + "'", program,
              (name.empty() ? "" : did_you_mean(name, known)) + "give one of: " + names + "; " + program +
                  " --help explains them");
}

}  // namespace anemll
