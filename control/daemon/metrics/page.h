// The text format of Prometheus, version 0.0.4, written family by family: HELP and TYPE once, then all
// samples of a name together. A family that is not in the catalogue's table, or a sample with more or fewer
// labels than that has, does not compile. Threading: a value.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "control/catalogue/metric_table.h"

namespace headgate::control::metrics {

class Page {
 public:
  template <std::size_t kLabels>
  class Family;

  explicit Page(std::size_t expected_bytes) { text_.reserve(expected_bytes); }

  // Each once, in the order of the table (a test compares).
  template <catalogue::MetricName kName>
  auto family() {
    begin(catalogue::kMetricTable[kName.index]);
    return Family<catalogue::kMetricTable[kName.index].label_count()>(*this,
                                                                      catalogue::kMetricTable[kName.index]);
  }
  std::string take() { return std::move(text_); }

 private:
  void begin(const catalogue::MetricFamily& family);
  void open(const catalogue::MetricFamily& family, std::string_view suffix);
  // A label without a value is none.
  void label(std::string_view name, std::string_view value);
  void label(std::string_view name, std::unsigned_integral auto value) { number_label(name, value); }
  void number_label(std::string_view name, std::uint64_t value);
  void close(std::uint64_t value);
  void close(std::int64_t value);
  void close(double value);
  void close(bool value) { close(std::uint64_t{value}); }

  std::string text_;
  bool labelled_ = false;  // of the sample that is being written
};

// Valid until the next family is begun.
template <std::size_t kLabels>
class Page::Family {
 public:
  Family(Page& page, const catalogue::MetricFamily& about) : page_(page), about_(about) {}

  // `labels`: their values in the order of the table, texts or unsigned numbers.
  template <typename Value, typename... Labels>
  void sample(Value value, const Labels&... labels) {
    static_assert(sizeof...(Labels) == kLabels, "the catalogue has other labels");
    page_.open(about_, "");
    put(labels...);
    page_.close(value);
  }
  // Of a histogram.
  template <typename... Labels>
  void bucket(std::uint64_t count, std::string_view most, const Labels&... labels) {
    static_assert(sizeof...(Labels) == kLabels, "the catalogue has other labels");
    page_.open(about_, "_bucket");
    put(labels...);
    page_.label("le", most);
    page_.close(count);
  }
  template <typename... Labels>
  void sum_and_count(double sum, std::uint64_t count, const Labels&... labels) {
    static_assert(sizeof...(Labels) == kLabels, "the catalogue has other labels");
    page_.open(about_, "_sum");
    put(labels...);
    page_.close(sum);
    page_.open(about_, "_count");
    put(labels...);
    page_.close(count);
  }

 private:
  template <typename... Labels>
  void put(const Labels&... labels) {
    std::size_t i = 0;
    (page_.label(about_.labels[i++], labels), ...);
  }
  Page& page_;
  const catalogue::MetricFamily& about_;
};

}  // namespace headgate::control::metrics
