// Both YAML files to a Model: defaults, merging, units, places. Collects every error in one go.
// Threading: thread-safe (no state). Reads files; opens nothing else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "config/model/model.h"

namespace headgate::config {

enum class Severity { warning, error };

struct Diagnostic {
  std::string file;
  int line = 0;    // 1-based; 0: the whole file
  int column = 0;  // 1-based
  Severity severity = Severity::error;
  std::string message;  // names the key, what is wrong and the remedy
  bool operator==(const Diagnostic&) const = default;
};

// "FILE:LINE:COLUMN: error: MESSAGE"
std::string to_string(const Diagnostic& diagnostic);

// A file that took part, with its text as read: apply stores these.
struct SourceFile {
  std::string path;  // absolute
  std::string text;
};

struct LoadResult {
  std::shared_ptr<const Model> model;   // null where there is an error
  std::vector<Diagnostic> diagnostics;  // in order of file and place
  std::vector<SourceFile> sources;      // node file first
  // Read even from a broken file where these two keys alone are readable: the launcher needs them. ""
  // otherwise.
  std::string run_dir;
  std::string data_dir;
  bool ok() const { return model != nullptr; }
};

LoadResult load(const std::string& node_file);

// The same from texts, the node file first: an applied map, as LoadResult::sources gave it. Channel files are
// only those given; secrets (tokens_file) are not among the sources and are read from disk, or not at all.
enum class Secrets { from_disk, none };
LoadResult load_texts(const std::vector<SourceFile>& texts, Secrets secrets = Secrets::from_disk);

// The secrets of a model that was kept without them, each out of the file that the model names; "" where it
// can't be read any more. One file at a time: one that is gone costs no other its secret.
void read_secrets(Model& model);

// JSON Schema (draft-07) of the two files, generated from the parser's own tables.
std::string node_json_schema();
std::string channels_json_schema();

// Every key of both files with type, default and meaning, in Markdown, from the same tables.
std::string reference();

}  // namespace headgate::config
