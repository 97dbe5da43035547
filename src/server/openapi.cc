#include "server/openapi.h"

namespace sluice {

// The tests compare it with Api::routes().
std::string_view openapi_json() {
  return R"json({
  "openapi": "3.1.0",
  "info": {
    "title": "Sluice",
    "version": "1",
    "description": "One model, served in OpenAI's and Anthropic's shapes. Unknown fields are ignored."
  },
  "security": [{}, {"bearer": []}, {"key": []}],
  "components": {
    "securitySchemes": {
      "bearer": {"type": "http", "scheme": "bearer"},
      "key": {"type": "apiKey", "in": "header", "name": "x-api-key"}
    }
  },
  "paths": {
    "/": {
      "get": {
        "summary": "The dashboard, for people.",
        "responses": {
          "200": {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}},
          "304": {"description": "The client has it."}
        },
        "security": []
      }
    },
    "/dashboard/{file}": {
      "get": {
        "summary": "What the page is made of.",
        "parameters": [{"name": "file", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": {
          "200": {"description": "A file.", "content": {"*/*": {"schema": {"type": "string"}}}},
          "304": {"description": "The client has it."},
          "404": {"description": "There is no such file."}
        },
        "security": []
      }
    },
    "/health": {
      "get": {
        "summary": "Is the server there, and how busy is it?",
        "responses": {
          "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}}
        },
        "security": []
      }
    },
    "/metrics": {
      "get": {
        "summary": "Counters, gauges and histograms for Prometheus.",
        "responses": {
          "200": {"description": "Done.", "content": {"text/plain": {"schema": {"type": "string"}}}},
          "401": {"description": "The API key is missing or wrong."}
        }
      }
    },
    "/openapi.json": {
      "get": {
        "summary": "This document.",
        "responses": {
          "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
          "401": {"description": "The API key is missing or wrong."}
        }
      }
    },
    "/v1/sluice/live": {
      "get": {
        "summary": "What the engine does right now: server-sent events, for as long as the client listens.",
        "description": "The first event, \"start\", has the geometry and one byte for each expert, in base64: bits 0 and 1 are 0 on the device, 1 being read, 2 in memory, 3 not known; bit 2: used since the event before; bits 3 to 5: heat, 0 to 7, of which 3 is the mean of the layer. A \"sample\" follows every interval_ms: counters since the one before, and \"changes\" (for each byte that changed, how many were left out since the last one as LEB128, and the byte) or all \"experts\" again.",
        "responses": {
          "200": {"description": "Events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
          "401": {"description": "The API key is missing or wrong."}
        }
      }
    },
    "/v1/models": {
      "get": {
        "summary": "The model that is served.",
        "responses": {
          "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
          "401": {"description": "The API key is missing or wrong."}
        }
      }
    },
    "/v1/models/{model}": {
      "get": {
        "summary": "The same, by name.",
        "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": {
          "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
          "401": {"description": "The API key is missing or wrong."}
        }
      }
    },
    "/v1/chat/completions": {
      "post": {
        "summary": "Answer a conversation (OpenAI).",
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "required": ["messages"],
                "properties": {
                  "model": {"type": "string"},
                  "messages": {"type": "array", "items": {"type": "object"}, "minItems": 1},
                  "tools": {"type": "array", "items": {"type": "object"}},
                  "tool_choice": {
                    "oneOf": [{"type": "string", "enum": ["none", "auto", "required"]}, {"type": "object"}]
                  },
                  "response_format": {"type": "object"},
                  "reasoning_effort": {
                    "type": "string",
                    "enum": ["none", "minimal", "low", "medium", "high", "max", "xhigh"]
                  },
                  "max_tokens": {"type": "integer", "minimum": 1},
                  "max_completion_tokens": {"type": "integer", "minimum": 1},
                  "stop": {
                    "oneOf": [
                      {"type": "string"},
                      {"type": "array", "items": {"type": "string"}, "maxItems": 16}
                    ]
                  },
                  "stream": {"type": "boolean"},
                  "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
                  "logprobs": {"type": "boolean"},
                  "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
                  "temperature": {"type": "number", "minimum": 0, "maximum": 100},
                  "top_p": {"type": "number", "minimum": 0, "maximum": 1},
                  "min_p": {"type": "number", "minimum": 0, "maximum": 1},
                  "top_k": {"type": "integer", "minimum": 0},
                  "seed": {"type": "integer", "minimum": 0}
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {"schema": {"type": "object"}},
              "text/event-stream": {"schema": {"type": "string"}}
            }
          },
          "401": {"description": "The API key is missing or wrong."},
          "400": {"description": "A field is wrong; the message begins with its path."},
          "413": {"description": "The body is too large."},
          "429": {"description": "The queue is full; Retry-After says when to come again."},
          "500": {
            "description": "The model could not go on, for example because an expert could not be read."
          },
          "503": {"description": "The server stops."}
        }
      }
    },
    "/v1/completions": {
      "post": {
        "summary": "Go on with a text (OpenAI).",
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "required": ["prompt"],
                "properties": {
                  "model": {"type": "string"},
                  "prompt": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
                  "max_tokens": {"type": "integer", "minimum": 1, "default": 16},
                  "stop": {
                    "oneOf": [
                      {"type": "string"},
                      {"type": "array", "items": {"type": "string"}, "maxItems": 16}
                    ]
                  },
                  "stream": {"type": "boolean"},
                  "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
                  "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
                  "temperature": {"type": "number", "minimum": 0, "maximum": 100},
                  "top_p": {"type": "number", "minimum": 0, "maximum": 1},
                  "min_p": {"type": "number", "minimum": 0, "maximum": 1},
                  "top_k": {"type": "integer", "minimum": 0},
                  "seed": {"type": "integer", "minimum": 0}
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {"schema": {"type": "object"}},
              "text/event-stream": {"schema": {"type": "string"}}
            }
          },
          "401": {"description": "The API key is missing or wrong."},
          "400": {"description": "A field is wrong; the message begins with its path."},
          "413": {"description": "The body is too large."},
          "429": {"description": "The queue is full; Retry-After says when to come again."},
          "500": {
            "description": "The model could not go on, for example because an expert could not be read."
          },
          "503": {"description": "The server stops."}
        }
      }
    },
    "/v1/messages": {
      "post": {
        "summary": "Answer a conversation (Anthropic).",
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "required": ["messages", "max_tokens"],
                "properties": {
                  "model": {"type": "string"},
                  "messages": {"type": "array", "items": {"type": "object"}, "minItems": 1},
                  "system": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]},
                  "tools": {"type": "array", "items": {"type": "object"}},
                  "tool_choice": {"type": "object"},
                  "thinking": {"type": "object"},
                  "max_tokens": {"type": "integer", "minimum": 1},
                  "stop_sequences": {"type": "array", "items": {"type": "string"}, "maxItems": 16},
                  "stream": {"type": "boolean"},
                  "temperature": {"type": "number", "minimum": 0, "maximum": 1},
                  "top_p": {"type": "number", "minimum": 0, "maximum": 1},
                  "top_k": {"type": "integer", "minimum": 0}
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "Done.",
            "content": {
              "application/json": {"schema": {"type": "object"}},
              "text/event-stream": {"schema": {"type": "string"}}
            }
          },
          "401": {"description": "The API key is missing or wrong."},
          "400": {"description": "A field is wrong; the message begins with its path."},
          "413": {"description": "The body is too large."},
          "429": {"description": "The queue is full; Retry-After says when to come again."},
          "500": {
            "description": "The model could not go on, for example because an expert could not be read."
          },
          "503": {"description": "The server stops."}
        }
      }
    },
    "/v1/messages/count_tokens": {
      "post": {
        "summary": "How many tokens a conversation has (Anthropic).",
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "required": ["messages"],
                "properties": {
                  "model": {"type": "string"},
                  "messages": {"type": "array", "items": {"type": "object"}, "minItems": 1},
                  "system": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]},
                  "tools": {"type": "array", "items": {"type": "object"}},
                  "tool_choice": {"type": "object"},
                  "thinking": {"type": "object"}
                }
              }
            }
          }
        },
        "responses": {
          "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
          "401": {"description": "The API key is missing or wrong."},
          "400": {"description": "A field is wrong; the message begins with its path."},
          "413": {"description": "The body is too large."}
        }
      }
    }
  }
}
)json";
}

}  // namespace sluice
