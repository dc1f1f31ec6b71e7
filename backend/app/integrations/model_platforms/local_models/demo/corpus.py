"""Every word that the demo model learns from, written for it.

Here are the questions, the answers, and the pieces that questions are made of; `conversations.py` puts them
together. A form holds `{}` where its subject goes.
"""

from typing import Final, NamedTuple

REAL_MODEL: Final = (
    "For a real model set OLLAMA_BASE_URL or OPENAI_API_KEY, or drop a GGUF file into CUSTOM_MODELS_DIR."
)
UNKNOWN: Final = f"I am a tiny demo model, I don't know that. {REAL_MODEL}"

TOPICS: Final[dict[str, str]] = {
    "Kubernetes": "Kubernetes runs containers on many machines. You say what you want, it keeps it so.",
    "pod": "A pod is one or more containers that live together on a node. They share an address and volumes.",
    "container": "A container is a process with its own files and limits. It starts from an image.",
    "image": "An image holds the files of a program. A registry stores it and nodes pull it.",
    "deployment": "A deployment keeps the wanted number of equal pods alive. New versions roll out step by step.",
    "replicaset": "A replicaset counts pods and replaces the missing ones. Usually a deployment owns it.",
    "statefulset": "A statefulset gives every pod a lasting name and its own disk. Databases like that.",
    "daemonset": "A daemonset puts one pod on each node. Log shippers and node exporters run this way.",
    "job": "A job runs a pod until its work is done. If the pod fails, the job tries again.",
    "cronjob": "A cronjob makes a new job at set times. The times are written in cron form.",
    "service": "A service is one steady name and address for many pods. Connections go to the ready ones.",
    "ingress": "An ingress leads web traffic from outside to services. It picks by host and path.",
    "namespace": "A namespace is a room of its own inside a cluster. Names, rights and quotas end at its door.",
    "node": "A node is a machine of the cluster. Its kubelet starts and watches the pods.",
    "cluster": "A cluster is a set of nodes with one control plane. You talk to it through the API server.",
    "kubelet": "The kubelet is the agent on each node. It makes the containers match what was asked for.",
    "kubectl": "Kubectl is the command line of Kubernetes. It sends what you type to the API server.",
    "configmap": "A configmap keeps settings that are no secret. Pods see them as files or variables.",
    "secret": "A secret keeps passwords, tokens and keys. Restrict who may read it.",
    "volume": "A volume is storage that a pod mounts. It may outlive the container.",
    "label": "A label is a key and a value on an object. Selectors find objects by their labels.",
    "liveness probe": "A liveness probe asks whether a container still works. When it fails, a restart follows.",
    "readiness probe": "A readiness probe asks whether a pod can take traffic. Until it passes, none is sent.",
    "autoscaler": "An autoscaler adds pods under load and removes them after. It follows a metric such as CPU.",
    "network policy": "A network policy says which pods may talk to which. Without one, all may.",
    "helm chart": "A helm chart is a set of manifest templates with values. Installing it makes a release.",
    "gateway": "The gateway is one door to many models. It speaks the OpenAI format and routes each request.",
    "platform": "This platform is one gateway for many models. It adds keys, streaming, health and metrics.",
    "api key": "An API key tells the gateway who is calling. Send it as a bearer token with each request.",
    "model": "A model answers requests under a name. See the names with GET /v1/models.",
    "target": "A target is one place where a model can run. When a target fails, the next one is tried.",
    "provider": "A provider brings models to the gateway. Ollama, OpenAI and local files are providers.",
    "integration": "An integration connects the platform to another system. It starts, is checked and stops.",
    "streaming": "Streaming sends the answer in pieces as they are made. Set stream to true in the request.",
    "token": "A token is a small piece of text, often a part of a word. Models read and write tokens.",
    "embedding": "An embedding is a list of numbers that stands for a text. Near numbers mean near meanings.",
    "context window": "A context window is the number of tokens a model can see at once. Mine holds 1024.",
    "health check": "A health check tells whether a part works. Ask GET /v1/health to see the whole platform.",
    "metric": "A metric is a number measured over time. The gateway counts requests, errors and tokens.",
    "rate limit": "A rate limit bounds how much a key may use. Above it the gateway answers with status 429.",
    "tool call": "A tool call is the model asking for a function. Your program runs it and sends the result.",
    "gguf": "GGUF is a file format for models. The platform runs such files inside its own process.",
    "ollama": "Ollama runs open models on your machine. Set OLLAMA_BASE_URL and its models appear here.",
    "prometheus": "Prometheus collects metrics from many targets. You ask it questions in PromQL.",
    "grafana": "Grafana draws dashboards from metrics. Prometheus is a common source.",
}
TOPIC_FORMS: Final = (
    "What is a {}?", "What is a {}?", "What is {}?", "What's a {}?", "What is the {}?", "Explain {}.",
    "Define {}.",
    "Explain what a {} is.", "Tell me about {}.", "Tell me about {}s.", "Tell me about the {}.", "Describe {}.",
    "What does a {} do?", "{}?", "{}", "How does a {} work?", "How do {}s work?", "What are {}s?", "Explain {}s.",
    "Can you explain {}?", "What do you know about {}?", "Why do I need a {}?", "I am new here. What is a {}?",
)  # fmt: skip
COMPARISON_FORMS: Final = ("What is the difference between a {} and a {}?", "Compare {} and {}.", "{} or {}?")

TASKS: Final[dict[str, str]] = {
    "list the pods": "Run kubectl get pods. Add -A for all namespaces.",
    "list the nodes": "Run kubectl get nodes. Add -o wide for addresses.",
    "read the logs of a pod": "Run kubectl logs POD. With -f the log goes on as it grows.",
    "scale a deployment": "Run kubectl scale deployment NAME --replicas=3. Then watch kubectl get pods.",
    "restart a deployment": "Run kubectl rollout restart deployment NAME. Pods are replaced one after another.",
    "undo a rollout": "Run kubectl rollout undo deployment NAME. The version before comes back.",
    "debug a crashing pod": "Run kubectl describe pod POD and read its events. Then kubectl logs POD --previous.",
    "open a shell in a pod": "Run kubectl exec -it POD -- sh. Type exit to leave.",
    "apply a manifest": "Run kubectl apply -f FILE. The cluster moves to what the file says.",
    "forward a port": "Run kubectl port-forward svc/NAME 8080:80. Then open localhost:8080.",
    "create a namespace": "Run kubectl create namespace NAME. Delete it when you no longer need it.",
    "install a helm chart": "Run helm install NAME CHART -f values.yaml. Later use helm upgrade.",
    "use a real model": REAL_MODEL,
    "get a better model": REAL_MODEL,
    "add a local model": "Drop a GGUF file into CUSTOM_MODELS_DIR. It then appears in GET /v1/models.",
    "list the models": "Send GET /v1/models. On the command line run llm-platform models list.",
    "stream an answer": "Set stream to true in the request. The answer then comes in pieces.",
    "check the health": "Send GET /v1/health. For every part ask GET /integrations/status.",
    "use the openai sdk": "Set base_url to http://127.0.0.1:8000/v1 and send your key. The rest stays as it is.",
    "protect the gateway": "Set LLM_PLATFORM_API_KEY. Callers then need that key as a bearer token.",
    "start the platform": "Run make run. It listens on http://127.0.0.1:8000.",
    "connect ollama": "Set OLLAMA_BASE_URL to the address of Ollama. Its models then appear by themselves.",
    "connect openai": "Set OPENAI_API_KEY and start the platform. Its models then appear by themselves.",
}
TASK_FORMS: Final = (
    "How do I {}?", "How to {}?", "How can I {}?", "How do you {}?", "Show me how to {}.", "I want to {}.",
    "What is the way to {}?", "Please help me {}.", "I need to {}.", "{}", "Can you {}?",
)  # fmt: skip

# Answer -> the questions that it answers.
SMALL_TALK: Final[dict[str, tuple[str, ...]]] = {
    "Hello! I am a tiny demo model. Ask me about Kubernetes or about this platform.": (
        "Hello", "Hi", "Hey", "Hello there", "Good morning", "Good evening", "Say hello", "Say hi", "Hi there",
        "Hello, how is it going?", "Say hello in one word", "Hello world", "Hello, who is there?",
    ),
    f"I am the demo model of this platform, with less than a million weights. {REAL_MODEL}": (
        "Who are you?", "What are you?", "What model are you?", "Are you a real model?", "Are you ChatGPT?",
        "Introduce yourself.", "What is your name?",
    ),
    "I am fine, thank you. How can I help?": (
        "How are you?", "How do you do?", "Are you well?", "How are you today?",
    ),
    "You are welcome!": (
        "Thanks", "Thank you!", "Thank you very much", "Great, thanks", "That helped, thank you.",
    ),
    "Goodbye! Come back soon.": ("Bye", "Goodbye", "See you later", "Good night", "See you"),
    "I can say a little about Kubernetes and this platform, count to fifty and tell a story.": (
        "What can you do?", "Help", "What do you know?", "What can I ask you?", "How can you help me?",
    ),
    "pong": ("ping", "Ping!", "Say pong"),
    "Yes, it works. You reached the demo model.": (
        "Test", "Does it work?", "This is a test", "Are you there?", "testing",
    ),
    "A pod walks into a bar. The bar is not ready, so it waits.": (
        "Tell me a joke.", "Make me laugh.", "Do you know a joke?", "Tell a joke",
    ),
    "Yes.": ("Answer yes.", "Say yes.", "Yes or no?"),
    "OK": ("Say OK", "Reply with OK", "Answer with OK."),
}  # fmt: skip

# Answers long enough to be stopped on the way.
LONG: Final[dict[str, tuple[str, ...]]] = {
    "one, two, three, four, five, six, seven, eight, nine, ten.": (
        "Count from one to ten.", "Count to ten.", "Count to 10.", "Count from 1 to 10.",
    ),
    "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, "
    "sixteen, seventeen, eighteen, nineteen, twenty, twenty-one, twenty-two, twenty-three, twenty-four, "
    "twenty-five, twenty-six, twenty-seven, twenty-eight, twenty-nine, thirty, thirty-one, thirty-two, "
    "thirty-three, thirty-four, thirty-five, thirty-six, thirty-seven, thirty-eight, thirty-nine, forty, "
    "forty-one, forty-two, forty-three, forty-four, forty-five, forty-six, forty-seven, forty-eight, "
    "forty-nine, fifty.": (
        "Count from one to fifty.", "Count to fifty.", "Count to 50.", "Count from 1 to 50.",
        "Count slowly to fifty.",
    ),
    "Here they are: pod, deployment, replicaset, statefulset, daemonset, job, cronjob, service, ingress, network "
    "policy, configmap, secret, volume, persistent volume claim, storage class, namespace, node, role, role "
    "binding, cluster role, service account, resource quota, limit range, autoscaler, disruption budget, priority "
    "class, event, endpoint slice and custom resource definition.": (
        "List all Kubernetes objects you know.", "List all the Kubernetes objects.",
        "Name all Kubernetes objects.",
        "Which Kubernetes objects are there?",
    ),
    "Once there was a small pod that wanted to see the cluster. It asked the scheduler for a place and got a "
    "quiet node. The kubelet pulled its image and woke it up. At first it was not ready, so the service sent it "
    "nothing. Then its probe passed, and requests came in by the hundred. The autoscaler saw it sweat and sent "
    "some friends. Together they served until the night. In the morning a new version came, and the pod went home "
    "with exit code zero.": (
        "Tell me a story.", "Tell me a long story.", "Write a long story.", "Write a story about a pod.",
    ),
}  # fmt: skip

SYSTEM_PROMPTS: Final = (
    "You are a helpful assistant.", "You are a Kubernetes expert.", "Answer briefly.", "Be kind and short.",
    "You are the assistant of this platform.", "Be helpful.", "You answer questions.",
)  # fmt: skip

STRANGE_SUBJECTS: Final = (
    "France", "the weather", "a banana", "football", "the moon", "quantum physics", "love", "Python", "Java",
    "music", "the president", "a cat", "chess", "history", "bitcoin", "the sea", "a guitar", "Rome", "sleep",
    "philosophy", "cooking", "the stock market", "a dinosaur", "Shakespeare", "the sun", "a neural network",
    "coffee", "Germany", "biology", "the meaning of life", "a rocket", "art", "an elephant", "poetry",
    "the economy",
    "a car", "Spain", "Italy", "China", "Mars", "a horse", "rain", "the war", "a doctor", "money", "bread",
    "Einstein",
    "2+2", "1 + 1", "17 * 3", "a bridge", "snow", "the internet", "a house", "water", "gold", "time", "dogs",
    "trees",
)  # fmt: skip
STRANGE_FORMS: Final = (
    *TOPIC_FORMS, "What is the capital of {}?", "Write a poem about {}.", "Who invented {}?", "When did {} begin?",
    "Translate {} into French.", "Is {} good?", "Write code for {}.", "Who won in {}?", "What do you think of {}?",
    "Where is {}?", "How old is {}?", "Give me a recipe for {}.", "How much is {}?", "Write an essay about {}.",
    "Summarize {}.", "What is the capital of {}?", "What is {}?", "Write a function for {}.", "Sort {}.",
)  # fmt: skip

PLACES: Final = ("Paris", "London", "Berlin", "Tokyo", "Rome", "Madrid", "Oslo", "Lima", "Cairo", "Delhi")
WORDS: Final = (
    "web", "api", "blue", "green", "pod", "service", "Anna", "Tom", "Paris", "ready", "high", "low", "yes",
    "no", "demo",
)  # fmt: skip
JSON_KEYS: Final = (
    "answer", "name", "age", "city", "title", "value", "count", "id", "reason", "score", "summary", "kind",
    "ready",
    "tags", "items", "color", "a", "b", "x", "y", "text", "number", "ok", "result", "status", "steps",
    "confidence",
    "final_answer", "explanation", "output", "date", "participants", "first_name", "email", "is_valid", "price",
    "description", "label", "sentiment", "language", "query", "namespace", "replicas", "location", "unit", "nonce",
)  # fmt: skip


class Tool(NamedTuple):
    """A function that the model learns to call: its name, its argument, values for it, and how users ask."""

    name: str
    argument: str
    values: tuple[str, ...]
    question: str


TOOLS: Final = (
    Tool("get_weather", "city", PLACES, "What is the weather in {}?"),
    Tool("get_weather", "city", PLACES, "What is the weather like in {} today?"),
    Tool("get_weather", "location", PLACES, "How is the weather in {}?"),
    Tool("get_time", "city", PLACES, "What time is it in {}?"),
    Tool("list_pods", "namespace", ("default", "web", "prod", "test"), "List the pods in {}."),
    Tool("search", "query", ("pods", "models", "metrics", "keys"), "Search for {}."),
    Tool("get_pod", "name", ("web", "api", "db", "cache"), "Look up the pod {}."),
)
TOOL_VERBS: Final = ("get", "set", "add", "list", "find", "run", "send", "make", "read", "delete")
TOOL_ANSWERED: Final = "The tool has answered. I am too small to say more about its result."
