#include "control/daemon/metrics/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace headgate::control::metrics {

void Page::begin(const catalogue::MetricFamily& family) {
  text_.append("# HELP ").append(family.name).append(" ").append(family.sentence);
  text_.append("\n# TYPE ").append(family.name).append(" ").append(to_string(family.type)).append("\n");
}

void Page::open(const catalogue::MetricFamily& family, std::string_view suffix) {
  text_.append(family.name).append(suffix);
  labelled_ = false;
}

void Page::label(std::string_view name, std::string_view value) {
  if (value.empty()) return;
  text_ += labelled_ ? ',' : '{';
  labelled_ = true;
  text_.append(name).append("=\"");
  const bool plain =
      std::none_of(value.begin(), value.end(), [](char c) { return c == '\\' || c == '"' || c == '\n'; });
  if (plain) {
    text_.append(value);
  } else {
    for (const char c : value) {
      if (c == '\\' || c == '"') text_ += '\\';
      if (c == '\n')
        text_ += "\\n";
      else
        text_ += c;
    }
  }
  text_ += '"';
}

void Page::number_label(std::string_view name, std::uint64_t value) {
  const fmt::format_int digits(value);
  label(name, {digits.data(), digits.size()});
}

void Page::close(std::uint64_t value) {
  const fmt::format_int digits(value);
  text_.append(labelled_ ? "} " : " ").append(digits.data(), digits.size()) += '\n';
}

void Page::close(std::int64_t value) {
  const fmt::format_int digits(value);
  text_.append(labelled_ ? "} " : " ").append(digits.data(), digits.size()) += '\n';
}

void Page::close(double value) {
  text_.append(labelled_ ? "} " : " ");
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

}  // namespace headgate::control::metrics
